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
    productionIgnorePatterns: [
      '/dist',
      '/scripts',
      '/test',
      '.aegir.js'
    ]
  }
}
