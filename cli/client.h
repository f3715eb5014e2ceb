/* client: requests to the admin API. Owns the connection of one command, and the operator's token, which is read once
 * and wiped by client_end. Never follows a redirect and uses no proxy: the token goes to the address that was named,
 * and to nobody else. */
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

typedef struct client_request {
    const char *method, *path;
    const char *body; /* JSON; NULL: none */
    const char *key;  /* its Idempotency-Key; NULL: none */
} client_request;

/* Makes a request. CLI_DONE: there is a response, whatever its status. Else that was said. */
cli_end client_ask(cli *c, const client_request *q, cli_reply *out);
/* Makes a request; `body` NULL: none. CLI_DONE: there is a response, whatever its status. Else that was said. */
cli_end client_call(cli *c, const char *method, const char *path, const char *body, cli_reply *out);
cli_end client_call_long(cli *c, const char *method, const char *path, cli_reply *out);

/* Makes a request: CLI_DONE with a 2xx; else what was refused has been said. */
cli_end client_do(cli *c, const char *method, const char *path, const char *body, cli_reply *out);
/* GETs the path: CLI_DONE with the JSON of a 2xx; else what was refused has been said. */
cli_end client_get(cli *c, const char *path, cli_reply *out);

/* These are for commands that watch for long: a server that has answered the command before, and is away or stops,
 * as while another process takes its place, is looked for again for a minute before it counts as away. */

/* Looks how far the run is: its line in the list, or, if that has none, its page. Its journal, which may be long, is
 * not sent with each look. */
cli_end client_look(cli *c, const char *run, sw_value *line);
/* Calls on_line with each line of a response as it comes. CLI_DONE: on_line has returned false; or the response has
 * ended, broken off, or been silent for a minute, which says nothing of what was waited for. */
cli_end client_follow(cli *c, const char *path, bool (*on_line)(void *arg, const char *line), void *arg);

/* Says what the server has refused, and returns CLI_REFUSED. */
cli_end client_refused(cli *c, const cli_reply *reply);

/* Prints the id of the run that the reply says has begun, or with --json all that it says. */
cli_end client_tell_run(cli *c, const cli_reply *reply);

/* The text as part of a URL; in the arena. */
char *client_escape(cli *c, const char *text);

/* The address that is asked, for people. */
const char *client_address(const cli *c);

/* Wipes the token. */
void client_end(void);

#endif
