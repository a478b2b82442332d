import { createApp } from './app.ts'
import { help, readSettings } from './settings.ts'

const settings = readSettings(process.argv.slice(2), process.env)
if (settings === 'help') {
  console.log(help)
  process.exit(0)
}

const app = await createApp(settings)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    app.log.info({ signal }, 'closing')
    // Running jobs and requests end, the lease is released: another instance leads at once.
    void app.close().then(() => process.exit(0))
  })
}
await app.listen({ port: settings.port, host: settings.host })

// For examples/launcher only, which shows what happens when an instance is blocked.
if (process.env['DEMO_MISCHIEF'] === 'true') {
  const { allowMischief } = await import('./mischief.ts')
  allowMischief(app)
}
