/* exa: POST /search as Exa answers it. */
#ifndef UPSTREAM_EXA_H
#define UPSTREAM_EXA_H

#include <stepwell.h>

void exa_search(sw_ctx *c);

#endif
