/* runs_json: a run and what its journal says as JSON, for administrators. Owns its text and the memory for making it.
 */
#ifndef RUNTIME_RUNS_JSON_H
#define RUNTIME_RUNS_JSON_H

#include <msgpack.h>

#include "runtime/base/arena.h"
#include "runtime/run/program.h"
#include "storage/store.h"

typedef struct runs_text {
    msgpack_sbuffer out;
    arena arena;
    bool is_short; /* something is left out, since there was no memory for it: it is not to be shown */
} runs_text;

void runs_text_init(runs_text *t, arena_cache *arenas);
void runs_text_free(runs_text *t);
void runs_text_add(runs_text *t, const char *text);
/* A run as an object: as a list has it, and with what each of its entries says. */
void runs_text_line(runs_text *t, const sw_app *app, const store_summary *s);
void runs_text_run(runs_text *t, const sw_app *app, const store_journal *j);

#endif
