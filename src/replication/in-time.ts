/**
 * What the application is asked for, or one of its parts, must come some time.
 * Rejects with what `late` makes if it takes longer than some ms.
 */
export async function inTime<T> (answer: T | Promise<T>, ms: number, late: () => Error): Promise<T> {
  const tooLate = Promise.withResolvers<never>()
  const timer = setTimeout(() => { tooLate.reject(late()) }, ms)

  try {
    return await Promise.race([answer, tooLate.promise])
  } finally {
    clearTimeout(timer)
  }
}
