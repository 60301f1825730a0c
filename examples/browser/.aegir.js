/** @type {import('aegir').PartialOptions} */
export default {
  test: {
    // the scripts that need a build run it themselves
    build: false
  },
  lint: {
    files: [
      '*.{js,ts}',
      '.aegir.js',
      'bench/**/*.{js,ts}',
      'server/**/*.ts',
      'src/**/*.{ts,tsx}',
      'test/**/*.ts',
      '!**/node_modules/**',
      '!**/dist/**'
    ]
  },
  dependencyCheck: {
    productionIgnorePatterns: [
      '/dist',
      '/bench',
      '/test',
      '.aegir.js'
    ]
  }
}
