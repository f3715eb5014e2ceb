#include "tests/simulation/sent.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/signalled.h"

static int number(const run_record *r) { return (int)(r - w->runs); }
static const op *op_of(const run_record *r, int at) { return &w->jobs[r->job].ops[at]; }

static int16_t find(const run_record *r, int at)
{
    for (unsigned i = 1; i <= w->signal_count; i++)
        if (w->signals[i].sender == (unsigned)number(r) + 1 && w->signals[i].sender_op == at) return (int16_t)i;
    return 0;
}

/* Often itself, or one that waits. */
static const run_record *draw_target(const run_record *r)
{
    if (world_chance(RANDOM_LIVE, 25)) return r;
    unsigned from = world_below(RANDOM_LIVE, w->run_count);
    for (unsigned i = 0; i < w->run_count && world_chance(RANDOM_LIVE, 80); i++) {
        const run_record *other = &w->runs[(from + i) % w->run_count];
        if (signalled_is_awaited(other)) return other;
    }
    return &w->runs[from];
}

int16_t sent_signal(const run_record *r, int at)
{
    int16_t had = find(r, at);
    const run_record *to = had ? NULL : draw_target(r);
    if (had || !to || to->job < 0 || !signalled_may_send(to) || world_chance(RANDOM_LIVE, 5)) return had;
    int16_t is = signalled_new(to, 0);
    signal_note *n = &w->signals[is];
    if (n->question) n->name = 'a'; /* an answer comes by its question's URL alone */
    n->question = 0;
    n->has_key = false;
    n->sender = (unsigned)number(r) + 1;
    n->sender_op = (int16_t)at;
    return is;
}

int sent_op(const run_record *r, const entry *e)
{
    char id[8] = "";
    memcpy(id, e->id.data, e->id.len < sizeof id ? e->id.len : 0);
    int at = id[0] == 'e' ? atoi(id + 1) : NO_OP;
    return at >= 0 && at < (int)w->jobs[r->job].op_count && op_of(r, at)->kind == OP_SEND ? at : NO_OP;
}

void sent_told(run_record *r, int at, bool is_sent)
{
    w->met[MET_SENT_AGAIN] += r->ops[at].chosen && is_sent;
    promise_choice(r, at, is_sent);
}

/* It was there, and had not ended, all the time. */
static bool is_there(const run_record *r) { return r->on_disk && !r->ended && r->reopened == 0; }

const char *sent_take(run_record *r, const entry *e)
{
    int at = sent_op(r, e);
    if (at == NO_OP) return "it has sent a signal that its handler has not";
    op_state *s = &r->ops[at];
    signal_note *n = &w->signals[find(r, at)];
    if (s->chosen) return "a signal is sent twice";
    if (s->seen && s->choice != e->answer) return "a signal is sent, or not, otherwise than its handler was told";
    if (e->answer && n == w->signals) return "a signal is sent to nobody";
    if (!e->answer && n != w->signals && is_there(&w->runs[n->run]))
        return "a signal is not sent to a run that is there";
    s->chosen = true;
    s->choice = e->answer;
    n->is_sent = e->answer;
    w->met[MET_SENT] += e->answer;
    w->met[MET_SENT_VAIN] += !e->answer;
    return NULL;
}

void sent_arrived(int16_t signal)
{
    const signal_note *n = &w->signals[signal];
    PROMISE("sent once", n->is_sent && n->letters == 1, "signal %d of run %d is in the inbox for the %u. time%s",
            signal, (int)n->sender - 1, n->letters, n->is_sent ? "" : ", and its entry is not on disk");
}

void sent_committed(void)
{
    for (unsigned i = 1; i <= w->signal_count; i++) {
        const signal_note *n = &w->signals[i];
        PROMISE("sent once", !n->is_sent || n->letters > 0, "run %d has sent signal %u, and no inbox has it",
                (int)n->sender - 1, i);
    }
}
