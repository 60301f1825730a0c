import { Page } from './peer/page.ts'
import { mount } from './view/mount.tsx'
import './view/style.css'

const page = new Page()

mount(document.getElementById('app') as HTMLElement, page)
void page.start()
