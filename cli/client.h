/* client: requests to the admin API. Owns the connection of one command. Never follows a redirect and uses no proxy:
 * the operator's token goes to the address that was named, and to nobody else. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli/cli.h"
#include "runtime/stepwell.h"

typedef struct cli_reply {
    long status;
    char *body; /* zero-terminated, in the arena */
    size_t len;
    sw_value json; /* nil: it is none */
} cli_reply;

/* How long a call may take: most are short, a backup takes as long as it takes. */
typedef enum client_patience { CLIENT_SHORT, CLIENT_LONG } client_patience;

/* Makes a request; `body` NULL: none. CLI_DONE: there is a response, whatever its status. Else that was said. */
cli_end client_call(cli *c, const char *method, const char *path, const char *body, cli_reply *out);
cli_end client_call_long(cli *c, const char *method, const char *path, cli_reply *out);

/* Calls on_line with each line of a response as it comes, until it ends or on_line returns false. */
cli_end client_follow(cli *c, const char *path, bool (*on_line)(void *arg, const char *line), void *arg);

/* GETs the path: CLI_DONE with the JSON of a 2xx; else what was refused has been said. */
cli_end client_get(cli *c, const char *path, cli_reply *out);

/* Says what the server has refused, and returns CLI_REFUSED. */
cli_end client_refused(cli *c, const cli_reply *reply);

/* The text as part of a URL; in the arena. */
char *client_escape(cli *c, const char *text);

/* The address that is asked, for people. */
const char *client_address(const cli *c);

#endif
