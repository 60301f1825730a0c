/** @type {import('aegir').PartialOptions} */
export default {
  build: {
    bundle: false
  },
  test: {
    // the scripts that need a build run it themselves
    build: false
  },
  lint: {
    files: [
      '*.{js,ts}',
      '.aegir.js',
      'bin/**/*.js',
      'scripts/**/*.{js,ts}',
      'src/**/*.{js,ts}',
      'test/**/*.{js,ts}',
      '!**/node_modules/**',
      '!**/dist/**'
    ]
  },
  dependencyCheck: {
    ignore: [
      // its example is run by the tests, nothing imports it
      'hash-exchange'
    ],
    productionIgnorePatterns: [
      '/dist',
      '/scripts',
      '/test',
      '.aegir.js'
    ]
  }
}
