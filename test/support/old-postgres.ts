import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'

/**
 * A server that speaks as much of PostgreSQL's protocol as it takes to say that it is too old
 * (postgresql.org/docs/current/protocol-message-formats.html); no such server can be installed.
 */
export async function startOldPostgres(version: number): Promise<{ port: number; server: Server }> {
  const server = createServer((socket) => {
    let greeted = false
    socket.on('error', () => {})
    socket.on('data', () => {
      if (greeted) {
        socket.write(
          Buffer.concat([
            message('T', int16(2), column('pid'), column('version')),
            message('D', int16(2), value('4711'), value(String(version))),
            message('C', text('SELECT 1')),
            message('Z', Buffer.from('I')),
          ]),
        )
        return
      }
      greeted = true
      const authenticated = message('R', int32(0))
      const key = message('K', int32(4711), int32(1))
      socket.write(Buffer.concat([authenticated, key, message('Z', Buffer.from('I'))]))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, server }
}

function message(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}

/** A column of the type int4, as text. */
function column(name: string): Buffer {
  const int4 = 23
  return Buffer.concat([text(name), int32(0), int16(0), int32(int4), int16(4), int32(-1), int16(0)])
}

function value(shown: string): Buffer {
  return Buffer.concat([int32(shown.length), Buffer.from(shown)])
}

function text(shown: string): Buffer {
  return Buffer.from(`${shown}\0`)
}

function int16(number: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(number)
  return buffer
}

function int32(number: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(number)
  return buffer
}
