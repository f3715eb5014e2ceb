/* special_address: which addresses are not the public network's. A table of the blocks that IANA's special-purpose
 * registries (RFC 6890) do not call globally reachable, and of a few that clouds use for themselves. No text is parsed
 * here: an address is judged as the kernel is about to be given it. */
#ifndef HTTP_CLIENT_SPECIAL_ADDRESS_H
#define HTTP_CLIENT_SPECIAL_ADDRESS_H

#include <sys/socket.h>

/* What the address belongs to, for people, e.g. "private (10.0.0.0/8, RFC 1918)"; NULL: it is public. */
const char *special_address(const struct sockaddr *address);

#endif
