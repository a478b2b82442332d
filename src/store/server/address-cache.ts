import { lookup as lookupNow, type LookupAddress } from 'node:dns'
import { Socket, type LookupFunction } from 'node:net'

/**
 * The addresses of a server's name, kept: looking a name up runs on the thread pool of the process,
 * which an application can saturate for as long as it likes, and then no renewal that needs a new
 * connection would be in time. Only the first connection waits for the answer. Each later one takes
 * what is known and has it looked up again for the next, so that a name that has moved is followed.
 */
export class AddressCache {
  readonly #known = new Map<string, LookupAddress[]>()

  /**
   * A socket that finds its server's address here.
   *
   * @param address of the server, where it is told: then no name is looked up
   */
  createSocket(address?: string): Socket {
    const socket = new Socket()
    const connect = socket.connect.bind(socket)
    const lookup: LookupFunction = (name, options, answer) => {
      const known = this.#known.get(name)
      const tell = (error: Error | null, addresses: LookupAddress[]): void => {
        const first = addresses[0]
        if (options.all === true || first === undefined) answer(error, addresses)
        else answer(error, first.address, first.family)
      }
      lookupNow(
        name,
        { ...options, all: true },
        (error, addresses: LookupAddress[] | undefined) => {
          if (addresses !== undefined) this.#known.set(name, addresses)
          if (known === undefined) tell(error, addresses ?? [])
        },
      )
      if (known !== undefined) tell(null, known)
    }
    // The client calls `connect(port, host)`, or `connect(path)` for a socket in the file system.
    socket.connect = ((...target: [port: number, host: string] | [path: string]) => {
      const [portOrPath, host] = target
      if (host === undefined) return connect(String(portOrPath))
      return connect({ port: Number(portOrPath), host: address ?? host, lookup })
    }) as Socket['connect']
    return socket
  }
}
