#include "runtime/run/former_requests.h"

#include <assert.h>
#include <string.h>

#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/trace/tracer.h"

enum { READ_RUNS = 64, READ_BYTES = 512 };

/* Runs of which only their journals tell whether they have ended: they are read together. */
typedef struct journal_question {
    home *home;
    run_id ids[READ_RUNS];
    size_t count;
} journal_question;

typedef enum former_fate {
    FORMER_GOES_ON, /* in this process */
    FORMER_NOT_ON_DISK,
    FORMER_IN_JOURNAL /* what the former process said of its end is true if the journal has it */
} former_fate;

/* A slot shows that the run goes on only if recovery made it, or the run has been loaded: a client that asks for an
 * unknown run makes a slot too. */
static former_fate former_fate_of(const home *h, const run_id *id, bool is_held)
{
    const slot *s = slot_find(&h->slots, id);
    if (!s) return is_held ? FORMER_IN_JOURNAL : FORMER_NOT_ON_DISK;
    bool may_be_asked_for = s->state == SLOT_UNKNOWN || s->state == SLOT_ASKED || s->state == SLOT_LOADING;
    return may_be_asked_for && !s->is_recovered ? FORMER_IN_JOURNAL : FORMER_GOES_ON;
}

static void former_on_journals(void *arg, const store_summary *runs, size_t count)
{
    const home *h = arg;
    struct tracer *t = h->app->tracer;
    for (size_t i = 0; i < count; i++) {
        const store_summary *r = &runs[i];
        if (r->error) continue;
        if (r->live)
            tracer_forget_former(t, r->run.bytes);
        else if (r->found)
            tracer_end_former(t, r->run.bytes);
        else
            tracer_cut_former(t, r->run.bytes);
    }
}

static void former_ask(journal_question *q)
{
    assert(q->count <= READ_RUNS);
    if (q->count > 0) (void)!store_summarize(q->home->port, q->ids, q->count, READ_BYTES, former_on_journals, q->home);
    q->count = 0;
}

void former_requests_settle(home *h)
{
    journal_question q = {.home = h, .count = 0};
    struct tracer *t = h->app->tracer;
    spool_former f;
    run_id id;
    for (size_t i = 0; t && tracer_former_at(t, i, &f); i++) {
        memcpy(id.bytes, f.run, sizeof id.bytes);
        if (run_id_loop(&id, h->count) != h->index) continue;
        switch (former_fate_of(h, &id, f.is_held)) {
        case FORMER_GOES_ON:
            tracer_forget_former(t, f.run);
            break;
        case FORMER_NOT_ON_DISK:
            tracer_cut_former(t, f.run);
            break;
        case FORMER_IN_JOURNAL:
            q.ids[q.count++] = id;
            if (q.count == READ_RUNS) former_ask(&q);
            break;
        }
    }
    former_ask(&q);
}
