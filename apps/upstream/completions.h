/* completions: POST /v1/chat/completions and GET /v1/models as OpenAI answers them, and the servers that speak its API.
 */
#ifndef UPSTREAM_COMPLETIONS_H
#define UPSTREAM_COMPLETIONS_H

#include <stepwell.h>

void completions_create(sw_ctx *c);
void completions_models(sw_ctx *c);

#endif
