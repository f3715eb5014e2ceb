/* digest: SHA-256 over a list of texts. Owns nothing. */
#ifndef RUNTIME_BASE_DIGEST_H
#define RUNTIME_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "http/http_text.h"

enum { DIGEST_BYTES = 32 };

/* The texts count with their lengths, so that no two lists of texts look alike. Without memory the process ends
 * (want_end), and `what` names in the log what was to be hashed. */
void digest_texts(uint8_t out[DIGEST_BYTES], const http_text *texts, size_t count, const char *what);

#endif
