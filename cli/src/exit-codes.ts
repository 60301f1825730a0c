/**
 * All went well, and where something was to arrive, everything did
 */
export const OK = 0

/**
 * Something failed, or not everything arrived
 */
export const FAILED = 1

/**
 * It was asked for in a way that can't be understood
 */
export const USAGE = 2

/**
 * What is added to the number of a signal that ended it, as shells do: 130 is
 * Ctrl-C
 */
export const SIGNALLED = 128
