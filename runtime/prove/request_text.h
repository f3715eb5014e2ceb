/* request_text: the request that --prove makes, from its flags. */
#ifndef RUNTIME_PROVE_REQUEST_TEXT_H
#define RUNTIME_PROVE_REQUEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct sw_app;

/* Bytes of a whole HTTP request, malloc'd. NULL with a message that says what to change. */
char *request_text(const struct sw_app *app, size_t *len, char *error, size_t error_size);

#endif
