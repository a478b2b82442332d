// Imported first of all: on a Node.js that is too old whatever comes next fails in a way that
// tells nobody why.
import { TenureError } from '../errors.ts'
import { faultOfNode } from './node-version.ts'

const { process } = globalThis as { process?: { versions?: { node?: string } } }
const fault = faultOfNode(process?.versions?.node)
if (fault !== undefined) throw new TenureError('TENURE_ERR_NODE_VERSION', fault)
