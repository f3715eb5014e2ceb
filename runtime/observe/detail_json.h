/* detail_json: what the page of one run shows beside its entries: why it is not finished, its request and response, and
 * its journal by steps, with what is under way. Owns nothing: the caller has the writer.
 *
 * Shows what the journal has, and no more of the request than that: headers that are not journaled, which may be
 * credentials, are not known here, and tokens of the run are nowhere in its journal. */
#ifndef RUNTIME_OBSERVE_DETAIL_JSON_H
#define RUNTIME_OBSERVE_DETAIL_JSON_H

#include "runtime/base/json_writer.h"
#include "runtime/run/stop.h"
#include "runtime/run/survey.h"
#include "storage/entry.h"

typedef struct detail {
    const entry *started; /* kind 0: it could not be read */
    const char *data;     /* the journal */
    size_t len;
    bool is_live;      /* it has not ended */
    const survey *now; /* NULL: its loop was not asked */
    stop_reason stop;  /* by its journal and the program; STOP_NONE: it is not stopped */
    entry_text stop_text;
    int64_t ended_ms; /* Unix; 0: it has not ended */
    int64_t point_ms; /* of its schedule, that waits for its end, Unix; 0: none does */
} detail;

/* Writes the members "why" (unless it has ended), "request", "response", "steps" and "branches". */
void detail_json_put(json_writer *w, const detail *d);

#endif
