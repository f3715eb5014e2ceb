/* resolver: look-ups of host names for all loops of the process, on few threads. A name for which several loops ask at
 * a time is looked up once, by getaddrinfo (/etc/hosts and DNS, both families). Owns the threads; caches nothing. */
#ifndef HTTP_CLIENT_RESOLVER_H
#define HTTP_CLIENT_RESOLVER_H

#include <stdbool.h>
#include <uv.h>

enum { RESOLVER_THREADS = 8, RESOLVER_THREADS_MAX = 256 };

typedef struct resolver_asker resolver_asker; /* one loop's side */

/* `addresses`: "192.0.2.1,[2001:db8::1]", in the order in which to try them; NULL: there are none, and `error` says
 * why. Called on the loop's own stack; all three texts are good until it returns. */
typedef void (*resolver_on_answer)(void *arg, const char *name, const char *addresses, const char *error);

/* Opens the resolver for a loop. threads_max, from 1 to RESOLVER_THREADS_MAX, is that of the process: each
 * resolver_open sets it anew for all loops. NULL: out of memory. */
resolver_asker *resolver_open(uv_loop_t *loop, unsigned threads_max, resolver_on_answer on_answer, void *arg);
/* Asks for the addresses of a name: on_answer is called once. False: no memory, and it is not called. */
bool resolver_ask(resolver_asker *asker, const char *name);
/* Drops the asker's questions; look-ups go on for other loops. The asker is freed when its loop has let go of it, after
 * `on_closed` was called with the `arg` of resolver_open. */
void resolver_close(resolver_asker *asker, void (*on_closed)(void *arg));

#endif
