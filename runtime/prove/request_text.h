/* request_text: the HTTP request that --prove executes, made from its flags. Owns nothing: the text is the caller's. */
#ifndef RUNTIME_PROVE_REQUEST_TEXT_H
#define RUNTIME_PROVE_REQUEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct sw_app;

/* Whether --prove names a function, not a request. */
bool request_is_of_function(const struct sw_app *app);

/* Returns the bytes of a whole HTTP request, which the caller frees; of a function it is the one by which an operator
 * begins it (POST /_sw/functions/NAME). NULL with a message that says what to change. */
char *request_text(const struct sw_app *app, size_t *len, char *error, size_t error_size);

#endif
