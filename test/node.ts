import './transports.node.ts'
import './readme.node.ts'
