// The proxies that docs/operations.md has a configuration for: where it stands there, what of it is other in a test
// (addresses and paths only), what belongs around it so that it runs in a folder of its own, and how the proxy is
// started in the foreground.
import { join } from 'node:path';

const root = process.getuid() === 0;
// Apache's
const modules = ['mpm_event', 'authz_core', 'alias', 'ssl', 'socache_shmcb', 'http2', 'proxy', 'proxy_http',
  'reqtimeout'];
// nginx's folders for what it does not keep in memory.
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

// Each: `marker` and `language` of the configuration's block; `tls`: whether clients come by https; `changes(place)`:
// what is replaced; `around(text, place)`: the whole file; `command(place)`: program and arguments; `version`: program,
// arguments and where the version stands; `closesIdle`: clients use each connection once; `log`: where the page's
// configuration has it write its log of requests, a file in the folder or 'stdout'. A place is {folder, file, ports:
// {tls, plain, service}, service: 'address:port', key, certificate, both}.
export const kinds = {
  nginx: {
    marker: 'stepwell.conf',
    language: 'nginx',
    tls: true,
    log: 'access.log',
    version: ['/usr/sbin/nginx', ['-v'], /nginx\/(\S+)/],
    changes: ({ folder, ports, service, certificate, key }) => [
      ['127.0.0.1:8080', service],
      ['listen 80;', `listen 127.0.0.1:${ports.plain};`],
      ['listen 443 ssl', `listen 127.0.0.1:${ports.tls} ssl`],
      ['/etc/ssl/certs/api.example.com.pem', certificate],
      ['/etc/ssl/private/api.example.com.key', key],
      ['/var/log/nginx/stepwell.log', join(folder, 'access.log')],
    ],
    around: (text, { folder }) => `daemon off;
pid ${join(folder, 'nginx.pid')};
error_log stderr notice;
worker_processes 1;
${root ? 'user root;' : ''}
events { worker_connections 1024; }
http {
access_log off;
${temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join('\n')}
${text}}
`,
    command: ({ folder, file }) => ['/usr/sbin/nginx', ['-p', folder, '-e', 'stderr', '-c', file]],
  },

  // Debian's defaults section, as its package has it.
  haproxy: {
    marker: 'haproxy.cfg',
    language: 'haproxy',
    tls: true,
    log: 'stdout',
    version: ['/usr/sbin/haproxy', ['-v'], /version (\S+?)-/],
    changes: ({ ports, service, both }) => [
      ['127.0.0.1:8080', service],
      ['bind :80\n', `bind 127.0.0.1:${ports.plain}\n`],
      ['bind :443 ssl crt /etc/haproxy/api.example.com.pem', `bind 127.0.0.1:${ports.tls} ssl crt ${both}`],
      ['    log-format', '    log stdout format raw local0\n    log-format'],
    ],
    around: (text) => `defaults
    mode http
    timeout connect 5000
    timeout client 50000
    timeout server 50000
${text}`,
    command: ({ file }) => ['/usr/sbin/haproxy', ['-db', '-f', file]],
  },

  caddy: {
    marker: 'Caddyfile',
    language: 'caddy',
    tls: true,
    log: 'access.log',
    version: ['/usr/bin/caddy', ['version'], /v?(\S+)/],
    changes: ({ folder, ports, service, certificate, key }) => [
      ['127.0.0.1:8080', service],
      [
        'api.example.com {\n',
        `https://127.0.0.1:${ports.tls}, https://api.example.com:${ports.tls} {\n` +
          `\tbind 127.0.0.1\n\ttls ${certificate} ${key}\n`,
      ],
      ['/var/log/caddy/stepwell.log', join(folder, 'access.log')],
    ],
    around: (text) => `{
	admin off
	auto_https disable_redirects
	grace_period 1s
}
${text}`,
    command: ({ file }) => ['/usr/bin/caddy', ['run', '--adapter', 'caddyfile', '--config', file]],
    environment: ({ folder }) => ({ HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }),
  },

  apache: {
    marker: 'apache.conf',
    language: 'apache',
    tls: true,
    log: 'access.log',
    version: ['/usr/sbin/apache2', ['-v'], /Apache\/(\S+)/],
    changes: ({ folder, ports, service, certificate, key }) => [
      ['127.0.0.1:8080', service],
      ['<VirtualHost *:443>', `Listen 127.0.0.1:${ports.tls}\n<VirtualHost 127.0.0.1:${ports.tls}>`],
      ['/etc/ssl/certs/api.example.com.pem', certificate],
      ['/etc/ssl/private/api.example.com.key', key],
      ['/var/log/apache2/stepwell.log', join(folder, 'access.log')],
    ],
    around: (text, { folder }) => `ServerRoot ${folder}
ServerName 127.0.0.1
PidFile ${join(folder, 'apache.pid')}
DefaultRuntimeDir ${folder}
ErrorLog ${join(folder, 'error.log')}
${root ? 'User www-data\nGroup www-data' : ''}
${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
RequestReadTimeout header=20-40,minrate=500 body=10,minrate=500
StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadsPerChild 25
MaxRequestWorkers 150
${text}`,
    command: ({ file }) => ['/usr/sbin/apache2', ['-D', 'FOREGROUND', '-f', file]],
    // Connections of clients, when it is short of threads: a client that sends a request just then has to ask again.
    closesIdle: true,
  },

  varnish: {
    marker: 'default.vcl',
    language: 'vcl',
    tls: false,
    version: ['/usr/sbin/varnishd', ['-V'], /varnish-(\S+)/],
    changes: ({ ports }) => [['.port = "8080"', `.port = "${ports.service}"`]],
    around: (text) => text,
    command: ({ folder, file, ports }) => [
      '/usr/sbin/varnishd',
      [
        '-F',
        '-f',
        file,
        '-a',
        `127.0.0.1:${ports.plain}`,
        '-n',
        join(folder, 'varnish'),
        '-s',
        'malloc,64m',
        '-j',
        'none',
      ],
    ],
  },

  squid: {
    marker: 'squid.conf',
    language: 'squid',
    tls: false,
    version: ['/usr/sbin/squid', ['-v'], /Version (\S+)/],
    changes: ({ ports }) => [
      ['http_port 80 ', `http_port 127.0.0.1:${ports.plain} `],
      ['parent 8080 0', `parent ${ports.service} 0`],
    ],
    around: (text, { folder }) => `pid_filename ${join(folder, 'squid.pid')}
cache_log ${join(folder, 'cache.log')}
access_log none
pinger_enable off
shutdown_lifetime 0 seconds
coredump_dir ${folder}
visible_hostname localhost
${text}`,
    // A name of its own: what it shares with its other processes is named after it, for the whole machine.
    command: ({ file, ports }) => ['/usr/sbin/squid', ['-N', '-n', `stepwell${ports.plain}`, '-f', file]],
  },
};
