/* special_address: which addresses are not the public network's: a table of the blocks that IANA's special-purpose
 * registries (RFC 6890) do not call globally reachable, and of a few that clouds use for themselves. Never parses text:
 * it judges an address in the form that the kernel is given. */
#ifndef HTTP_CLIENT_SPECIAL_ADDRESS_H
#define HTTP_CLIENT_SPECIAL_ADDRESS_H

#include <sys/socket.h>

/* Says what the address belongs to, for people, e.g. "private (10.0.0.0/8, RFC 1918)". NULL: it is public. */
const char *special_address(const struct sockaddr *address);

#endif
