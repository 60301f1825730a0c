/**
 * That something throws nothing, or an error with one of these names, which is
 * returned
 */
export function expectName (names: string[], task: () => void): string | undefined {
  try {
    task()
  } catch (err: any) {
    if (!names.includes(err?.name)) {
      throw err
    }

    return err.name
  }
}

/**
 * That two values are the same, however deep. The assertions of chai would take
 * most of the time.
 */
export function expectSame (actual: unknown, expected: unknown): void {
  if (!same(actual, expected)) {
    throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
  }
}

function same (a: any, b: any): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a == null || b == null) {
    return Object.is(a, b)
  }

  const keys = Object.keys(a)

  return keys.length === Object.keys(b).length && keys.every(key => same(a[key], b[key]))
}

/**
 * Rejects if something takes too long, which here is a hang: nothing that is waited
 * for comes from outside
 */
export async function expectSoon <T> (what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined

  try {
    return await Promise.race([promise, new Promise<never>((resolve, reject) => {
      timer = setTimeout(() => { reject(new Error(`${what} hangs`)) }, HANG_MS)
    })])
  } finally {
    clearTimeout(timer)
  }
}

const HANG_MS = 10_000
