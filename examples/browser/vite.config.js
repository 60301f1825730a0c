import { defineConfig } from 'vite'

export default defineConfig({
  build: {
    outDir: 'dist/page',
    target: 'es2022'
  },
  oxc: {
    jsx: { runtime: 'automatic', importSource: 'preact' }
  },
  worker: { format: 'es' }
})
