/* public_url: how clients reach this server, for the URLs they are sent to. Owns the list given with --public-url. With
 * a list, the request's Host only chooses among its members: a forged one never gets into a URL. Without, the Host that
 * the client itself used is used again. */
#ifndef RUNTIME_RUN_PUBLIC_URL_H
#define RUNTIME_RUN_PUBLIC_URL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct public_urls public_urls;

/* Reads URLs with commas between them; `text` may be NULL. NULL: out of memory, or `error` names the URL that is wrong.
 */
public_urls *public_urls_new(const char *text, char *error, size_t error_size);
void public_urls_free(public_urls *u); /* NULL is fine */

bool public_urls_https(const public_urls *u); /* one of them is https: since this server speaks no TLS, a proxy does */

/* Writes the base of URLs, "https://api.example.com" without a slash at the end, for a request with this Host (NULL: it
 * has none, as HTTP/1.0 may). "" when no base is known: a URL then begins with its path. False: the base does not fit.
 */
bool public_url(const public_urls *u, const char *host, char *out, size_t size);

#endif
