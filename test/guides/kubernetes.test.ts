// The guide to Kubernetes, with processes in the place of pods: they are started as its manifest
// says, asked as its probes ask, and replaced as its rolling update replaces them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { parse } from 'yaml'

import { environmentNames, resolveRunning } from '../../src/options.ts'
import { createTenure } from '../../src/index.ts'
import { atEnd } from '../support/fastify-app.ts'
import { openGuide, readGuide, stopMsMax, type GuideProject } from '../support/guide.ts'
import { createTestStore, onEachStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number }
  readonly initialDelaySeconds?: number
  readonly periodSeconds: number
  readonly timeoutSeconds?: number
  readonly failureThreshold?: number
}

interface Manifest {
  readonly spec: {
    readonly replicas: number
    readonly strategy: { readonly rollingUpdate: { maxSurge: number; maxUnavailable: number } }
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly containers: readonly [
          {
            readonly command: readonly string[]
            readonly ports: readonly [{ readonly containerPort: number }]
            readonly env: readonly { name: string; value?: string; valueFrom?: object }[]
            readonly lifecycle: { readonly preStop: { readonly sleep: { seconds: number } } }
            readonly startupProbe: Probe
            readonly readinessProbe: Probe
            readonly livenessProbe: Probe
          },
        ]
      }
    }
  }
}

const guide = readGuide('kubernetes')
const yaml = guide.files.get('deployment.yaml') ?? ''
const { spec } = parse(yaml) as Manifest
const { terminationGracePeriodSeconds, containers } = spec.template.spec
const [container] = containers
const { startupProbe, readinessProbe, livenessProbe } = container
const probes = [startupProbe, readinessProbe, livenessProbe]
const leaderPath = '/tenure/health/leader'

/** What the manifest sets itself; the rest comes from secrets and fields. */
const environment: Readonly<Record<string, string>> = Object.fromEntries(
  container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
)

/** A pod: one process of the manifest's command, with its environment. */
class Pod {
  readonly pid: number
  readonly exited: Promise<number | NodeJS.Signals>
  readonly #project: GuideProject
  #url = ''

  constructor(project: GuideProject, store: string) {
    const env = { ...environment, TENURE_STORE: store }
    const { process: child, exited } = project.start(container.command.join(' '), env)
    this.#project = project
    this.pid = child.pid ?? 0
    this.exited = exited
  }

  /** The status with which a path is answered, once the pod listens. */
  async ask(path: string): Promise<number> {
    const listening = /"Server listening at (http:\/\/127\.0\.0\.1:\d+)"/
    if (this.#url === '') {
      this.#url = await until(
        `pod ${this.pid} listens\n${this.#project.output}`,
        () => {
          const lines = this.#project.lines.filter((line) => line.includes(`"pid":${this.pid},`))
          return lines.map((line) => listening.exec(line)?.[1]).find(Boolean)
        },
        60_000,
      )
    }
    return (await fetch(this.#url + path)).status
  }

  /** Waits until all probes are content. */
  async untilReady(): Promise<void> {
    for (const { httpGet } of probes) {
      await until(`200 at ${httpGet.path}`, async () => (await this.ask(httpGet.path)) === 200)
    }
  }
}

/** The pods that say that they lead. */
async function leadersOf(pods: readonly Pod[]): Promise<Pod[]> {
  const statuses = await Promise.all(pods.map((pod) => pod.ask(leaderPath)))
  return pods.filter((_, i) => statuses[i] === 200)
}

describe('the manifest in the guide to Kubernetes', () => {
  const settings = resolveRunning({}, environment)
  const preStopSeconds = container.lifecycle.preStop.sleep.seconds

  test('has a grace period that is longer than a stop', () => {
    const stopMs = preStopSeconds * 1_000 + stopMsMax(environment)
    assert.ok(terminationGracePeriodSeconds * 1_000 > stopMs, `${stopMs} ms`)
    const { drainMs, stopGraceMs, attemptTimeoutMs } = settings
    const shown =
      `preStop (${preStopSeconds} s), drain (${drainMs / 1_000} s), ` +
      `stop grace (${stopGraceMs / 1_000} s) and two attempts on the store (${attemptTimeoutMs / 1_000} s each)`
    assert.ok(yaml.includes(shown), shown)
  })

  test('has a liveness probe that outlasts stallLimit, and a startup probe that waits for an attempt', () => {
    const { failureThreshold = 3, periodSeconds, timeoutSeconds = 1 } = livenessProbe
    // Blocked just before a probe: that one fails first, and the last one ends with its timeout.
    const patienceMs = ((failureThreshold - 1) * periodSeconds + timeoutSeconds) * 1_000
    assert.ok(patienceMs > settings.stallLimitMs, `${patienceMs} ms`)
    assert.ok((startupProbe.initialDelaySeconds ?? 0) * 1_000 > settings.attemptTimeoutMs)
  })

  test('names settings that exist, a lease of its own, and a store that comes from a secret', () => {
    const names = container.env.map(({ name }) => name)
    assert.deepEqual(
      names.filter((name) => !Object.values(environmentNames).includes(name)),
      [],
    )
    assert.ok(environment['TENURE_LEASE'] && environment['TENURE_LEASE'] !== 'scheduler')
    const store = container.env.find(({ name }) => name === 'TENURE_STORE')
    assert.ok(store?.valueFrom && 'secretKeyRef' in store.valueFrom)
  })

  test('asks the port that is listened on, and nobody whether it leads', () => {
    const [{ containerPort }] = container.ports
    assert.ok(guide.files.get('server.js')?.includes(`process.env.PORT ?? ${containerPort}`))
    for (const { httpGet } of probes) {
      assert.equal(httpGet.port, containerPort)
      assert.notEqual(httpGet.path, leaderPath)
    }
  })
})

describe('the guide to Kubernetes runs as written', () => {
  onEachStore((name) => {
    test('a rolling update hands the lease on, and the pods that are there are ready', async (t) => {
      const store = await createTestStore(name)
      atEnd(t, () => store.end())
      const { maxSurge, maxUnavailable } = spec.strategy.rollingUpdate
      assert.deepEqual([maxSurge, maxUnavailable], [1, 0])
      const project = openGuide(t, guide)
      const old = Array.from({ length: spec.replicas }, () => new Pod(project, store.url))
      for (const pod of old) await pod.untilReady()
      await until('one leads', async () => (await leadersOf(old)).length === 1)

      let pods = old
      for (const leaving of old) {
        const joining = new Pod(project, store.url)
        await joining.untilReady()
        process.kill(leaving.pid, 'SIGTERM')
        assert.equal(await leaving.exited, 0)
        pods = [...pods.filter((pod) => pod !== leaving), joining]
        const staying = pods
        for (const { httpGet } of probes) {
          const statuses = await Promise.all(staying.map((pod) => pod.ask(httpGet.path)))
          assert.ok(
            statuses.every((status) => status === 200),
            httpGet.path,
          )
        }
        await until('one leads', async () => (await leadersOf(staying)).length === 1)
      }

      const [leader] = await leadersOf(pods)
      assert.ok(leader !== undefined)
      await until('the leader runs the job', () =>
        project.lines.some(
          (line) => line.includes(`"pid":${leader.pid},`) && line.includes('carts purged'),
        ),
      )
      const lease = environment['TENURE_LEASE']
      const observer = createTenure({ store: store.url, lease })
      atEnd(t, () => observer.stop())
      const { lastToken = 0 } = await observer.status()
      assert.ok(lastToken >= 2 && lastToken <= 1 + spec.replicas, `token ${lastToken}`)
      for (const pod of pods) process.kill(pod.pid, 'SIGTERM')
      for (const pod of pods) assert.equal(await pod.exited, 0)
      const { terms } = await observer.status()
      assert.ok(terms.every(({ reason }) => reason === 'stopped'))
    })
  })

  test('a pod whose store cannot be used is alive, and never started', async (t) => {
    const project = openGuide(t, guide)
    const pod = new Pod(project, 'postgres://nobody@127.0.0.1:1/nothing')
    await until('the probe fails', async () => (await pod.ask(startupProbe.httpGet.path)) === 503)
    assert.equal(await pod.ask(livenessProbe.httpGet.path), 200)
  })

  test('pods with a file each on disks of their own all lead', async (t) => {
    const project = openGuide(t, guide)
    const pods = ['a', 'b'].map((disk) => new Pod(project, `sqlite:${project.folder}/${disk}.db`))
    await until('both lead', async () => (await leadersOf(pods)).length === pods.length)
  })
})
