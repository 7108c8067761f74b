/**
 * The four servers of the telemetry stack, and what is known of each before any of them runs. Nothing here does I/O: names,
 * ports, paths and the addresses made of them.
 */
export const serviceNames = ['prometheus', 'loki', 'tempo', 'grafana'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** A port of the stack and where it is looked for first. */
export const usualPorts = {
  prometheus: 9090,
  loki: 3100,
  lokiGrpc: 9095,
  tempo: 3200,
  tempoGrpc: 9096,
  otlp: 4318,
  grafana: 3000,
  /** Of the daemon, which Prometheus asks. */
  metrics: 9464,
} as const;
export type PortName = keyof typeof usualPorts;
export type Ports = Record<PortName, number>;

export interface Service {
  title: string;
  /** Its ports; the first answers `ready`. The others are not published where the stack has a network of its own, but `otlp`. */
  ports: readonly [PortName, ...PortName[]];
  /** Answers 200 when it can be used. */
  ready: string;
  /** How long that may take, ms. Loki waits for its ring, Grafana migrates its database. */
  readyMs: number;
  /** Where its image keeps data. */
  dataInImage: string;
  memoryMiB: number;
  /** Programs it may be called by, on a host without containers. */
  programs: readonly string[];
  /** What brings the program. */
  comesFrom: string;
}

export const services = {
  prometheus: {
    title: 'Prometheus',
    ports: ['prometheus'],
    ready: '/-/ready',
    readyMs: 60_000,
    dataInImage: '/prometheus',
    memoryMiB: 1024,
    programs: ['prometheus'],
    comesFrom: 'apt install prometheus, or nix profile add nixpkgs#prometheus',
  },
  loki: {
    title: 'Loki',
    ports: ['loki', 'lokiGrpc'],
    ready: '/ready',
    readyMs: 90_000,
    dataInImage: '/loki',
    memoryMiB: 1024,
    programs: ['loki'],
    comesFrom: 'nix profile add nixpkgs#grafana-loki',
  },
  tempo: {
    title: 'Tempo',
    ports: ['tempo', 'tempoGrpc', 'otlp'],
    ready: '/ready',
    readyMs: 90_000,
    dataInImage: '/var/tempo',
    memoryMiB: 1024,
    programs: ['tempo'],
    comesFrom: 'nix profile add nixpkgs#tempo',
  },
  grafana: {
    title: 'Grafana',
    ports: ['grafana'],
    ready: '/api/health',
    readyMs: 120_000,
    dataInImage: '/var/lib/grafana',
    memoryMiB: 768,
    programs: ['grafana', 'grafana-server'],
    comesFrom: 'nix profile add nixpkgs#grafana',
  },
} as const satisfies Record<ServiceName, Service>;

export const loopback = '127.0.0.1';

/** Where a service is asked from this host. */
export function urlOf(port: number): string {
  return `http://${loopback}:${port}`;
}

/** Where the services listen, and how they reach each other and the daemon. */
export interface Addresses {
  listenHost: string;
  /** Inside: the port each listens on. */
  ports: Ports;
  /** Base URL of one service as another sees it. */
  peer: Record<ServiceName, string>;
  /** host:port of the daemon's metrics, as Prometheus sees it. */
  scrape: string;
}

/** All on this host's loopback: native processes, and containers in the host's network. */
export function loopbackAddresses(ports: Ports, metricsListen: string): Addresses {
  return {
    listenHost: loopback,
    ports,
    peer: {
      prometheus: urlOf(ports.prometheus),
      loki: urlOf(ports.loki),
      tempo: urlOf(ports.tempo),
      grafana: urlOf(ports.grafana),
    },
    scrape: metricsListen,
  };
}

/** In a network of their own, where each has an address, its usual ports and its name. */
export function networkAddresses(metricsListen: string): Addresses {
  const at = (name: ServiceName, port: number) => `http://${name}:${port}`;
  return {
    listenHost: '0.0.0.0',
    ports: usualPorts,
    peer: {
      prometheus: at('prometheus', usualPorts.prometheus),
      loki: at('loki', usualPorts.loki),
      tempo: at('tempo', usualPorts.tempo),
      grafana: at('grafana', usualPorts.grafana),
    },
    scrape: `host.docker.internal:${metricsListen.slice(metricsListen.lastIndexOf(':') + 1)}`,
  };
}
