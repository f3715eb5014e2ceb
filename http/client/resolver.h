/* resolver: look-ups of host names for all loops of the process, on few threads. A name that several ask for at a time
 * is looked up once, by getaddrinfo (/etc/hosts and DNS, both families). Caches nothing. */
#ifndef HTTP_CLIENT_RESOLVER_H
#define HTTP_CLIENT_RESOLVER_H

#include <stdbool.h>
#include <uv.h>

enum { RESOLVER_THREADS = 8, RESOLVER_THREADS_MAX = 256 };

typedef struct resolver_asker resolver_asker; /* one loop's side */

/* `addresses`: "192.0.2.1,[2001:db8::1]", in the order to be tried; NULL: none, see `error`. Called on the loop's own
 * stack; both texts are good until it returns. */
typedef void (*resolver_on_answer)(void *arg, const char *name, const char *addresses, const char *error);

/* threads_max, 1 to RESOLVER_THREADS_MAX, is the process's: each call sets it anew for all. NULL: out of memory. */
resolver_asker *resolver_open(uv_loop_t *loop, unsigned threads_max, resolver_on_answer on_answer, void *arg);
bool resolver_ask(resolver_asker *asker, const char *name); /* false: out of memory */
/* Forgets what it has asked for; look-ups go on for others. Frees itself, after `on_closed`, when the loop has let go.
 */
void resolver_close(resolver_asker *asker, void (*on_closed)(void *arg));

#endif
