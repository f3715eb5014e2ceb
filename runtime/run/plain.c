#include "runtime/run/plain.h"

#include "runtime/run/home.h"
#include "runtime/run_core.h"
#include "runtime/run_request.h"
#include "runtime/strand.h"

static void on_gone(http_exchange *x) { (void)x; /* the handler learns of it when it writes */ }

bool plain_begin(home *h, const struct endpoint *e, const run_input *input, http_exchange *x, run_refusal *why)
{
    bool room = slot_room(h);
    run *r = room ? run_new(h, e) : NULL;
    if (!r) {
        *why = room ? run_no_memory : run_no_room;
        return false;
    }
    run_set_label(r);
    bool taken = run_request_take(r, input);
    if (!taken || !strand_start(r, run_main, r)) {
        *why = taken ? run_no_stack : run_too_large;
        run_unmake(r);
        return false;
    }
    r->request.exchange = x;
    counter_add(&h->counters.runs_started, 1);
    http_exchange_on_gone(x, on_gone);
    return true;
}
