import { InvalidParametersError } from '@libp2p/interface'

/**
 * Throws InvalidParametersError for what there is not: something misspelt would be
 * left out without a word
 */
export function checkNames (what: 'limit' | 'option', given: object, names: string[]): void {
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) {
      throw new InvalidParametersError(`There is no ${what} "${name}", only ${names.join(', ')}`)
    }
  }
}
