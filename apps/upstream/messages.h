/* messages: POST /v1/messages and GET /v1/models as Anthropic answers them. */
#ifndef UPSTREAM_MESSAGES_H
#define UPSTREAM_MESSAGES_H

#include <stepwell.h>

void messages_create(sw_ctx *c);
void messages_models(sw_ctx *c);

#endif
