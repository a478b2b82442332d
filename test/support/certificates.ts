import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { pathOf } from './programs.ts'

/** What an authority of a test's own has signed, and another one's certificate. */
export interface Certificates {
  readonly authority: string
  readonly otherAuthority: string
  readonly serverCertificate: string
  readonly serverKey: string
  readonly clientCertificate: string
  readonly clientKey: string
  /** The client's certificate and key in one file, with a password. */
  readonly clientIdentity: string
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

/** Makes certificates in a folder: the server's for a name, the client's for a user. */
export function makeCertificates(
  folder: string,
  { host, user, password }: { host: string; user: string; password: string },
): Certificates {
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): void =>
    void execFileSync(pathOf('openssl'), args, { stdio: 'ignore' })
  for (const name of ['authority', 'other']) {
    const where = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)]
    openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, ...where)
  }
  const issue = (name: string, subject: string): void => {
    const [key, wish] = [at(`${name}.key`), at(`${name}.csr`)]
    openssl('req', ...newKey.slice(0, -2), '-subj', `/CN=${subject}`, '-keyout', key, '-out', wish)
    writeFileSync(at(`${name}.ext`), `subjectAltName=DNS:${subject}\n`)
    const by = ['-CA', at('authority.pem'), '-CAkey', at('authority.key'), '-CAcreateserial']
    const what = ['-in', wish, '-out', at(`${name}.pem`), '-extfile', at(`${name}.ext`)]
    openssl('x509', '-req', '-days', '2', ...by, ...what)
  }
  issue('server', host)
  issue('client', user)
  const inside = ['-in', at('client.pem'), '-inkey', at('client.key')]
  openssl('pkcs12', '-export', ...inside, '-out', at('client.p12'), '-passout', `pass:${password}`)
  return {
    authority: at('authority.pem'),
    otherAuthority: at('other.pem'),
    serverCertificate: at('server.pem'),
    serverKey: at('server.key'),
    clientCertificate: at('client.pem'),
    clientKey: at('client.key'),
    clientIdentity: at('client.p12'),
  }
}
