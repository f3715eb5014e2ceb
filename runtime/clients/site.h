/* site: what the headers that browsers set themselves say of a request: for which host it is meant, and which page has
 * made it. A page whose name is made to resolve to this machine's address (DNS rebinding) shows in Host, a page of
 * another site in Origin or Sec-Fetch-Site. No resolver is asked what a name means. Owns nothing. */
#ifndef RUNTIME_CLIENTS_SITE_H
#define RUNTIME_CLIENTS_SITE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a Host, with or without port, names this machine: localhost, name.localhost, 127.0.0.1, [::1]. */
bool site_is_here(const char *host);
/* Whether a Host is an address: no name, so nobody can make it resolve to another address. */
bool site_is_address(const char *host);
/* Whether a Host has one of the names of a list with commas; NULL: an empty list. */
bool site_is_listed(const char *host, const char *names);
/* Whether an Origin is of just this Host and port. */
bool site_is_origin(const char *origin, const char *host);

/* Whether a page of another site has made the request, by what Sec-Fetch-Site and Sec-Fetch-Dest say, or NULL: an image
 * or a script of a page comes without Origin. A link that somebody follows is not meant. */
bool site_is_embedded(const char *fetch_site, const char *fetch_dest);

/* Checks the list of --admin-host; NULL is an empty one. False: with a message in `error`. */
bool site_check_names(const char *names, char *error, size_t error_size);

#endif
