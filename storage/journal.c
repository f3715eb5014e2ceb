/* The journal thread: group commit. Takes what all loops have queued since the last commit, writes it as one synced
 * batch, and gives it back. A batch is as large as what arrived while the last batch was being synced, up to
 * BATCH_BYTES of each loop: under load batches grow by themselves, and a lone run waits for nothing. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "storage/run_index.h"
#include "storage/steady.h"
#include "storage/store_by_hand.h"
#include "storage/store_core.h"

/* RELAPSE_MS: a write that fails so soon after an outage doubles the pause before the next try. */
enum { RETRY_FIRST_MS = 200, RETRY_MAX_MS = 5000, RELAPSE_MS = 60000, RELAPSE_PAUSE_MAX_MS = 300000 };
_Static_assert(RETRY_FIRST_MS > 0 && RETRY_FIRST_MS <= RETRY_MAX_MS, "pauses grow");
_Static_assert(RETRY_MAX_MS <= RELAPSE_PAUSE_MAX_MS, "a disk that relapses is tried less often");

int64_t store_now_ms(const store *s)
{
    return s->options.wall_ms ? s->options.wall_ms() : s->backend->ops->wall_ms(s->backend);
}

struct timespec store_after_ms(int64_t ms)
{
    assert(ms >= 0);
    int64_t at_ms = steady_ms() + ms;
    return (struct timespec){.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
}

/* ---- Whether it takes writes ---- */

bool store_takes_writes(const store *s) { return !__atomic_load_n(&s->read_only, __ATOMIC_ACQUIRE); }

bool store_writable(const store_port *p)
{
    return store_takes_writes(p->store) && !__atomic_load_n(&p->store->gated, __ATOMIC_ACQUIRE);
}

static void store_set_flag(store *s, bool *flag, bool value)
{
    __atomic_store_n(flag, value, __ATOMIC_RELEASE);
    (void)pthread_mutex_lock(&s->lock);
    for (store_port *p = s->ports; p; p = p->next) port_tell_change(p);
    (void)pthread_mutex_unlock(&s->lock);
}

static void store_set_read_only(store *s, bool read_only) { store_set_flag(s, &s->read_only, read_only); }

void store_gate(store *s) { store_set_flag(s, &s->gated, true); }
void store_ungate(store *s) { store_set_flag(s, &s->gated, false); }

void store_give_up(store_port *p)
{
    store *s = p->store;
    (void)pthread_mutex_lock(&s->lock);
    s->given_up = true;
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_cond_signal(&s->work);
}

void store_port_give_up(store_port *p)
{
    store *s = p->store;
    (void)pthread_mutex_lock(&s->lock);
    p->gives_up = true;
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_cond_signal(&s->work);
}

/* ---- Batches: journal thread ---- */

/* Under the lock. True: there is a batch of unknown outcome, and one of its owners waits no more. */
static bool unknown_is_given_up(const store *s)
{
    bool any = s->unknown && s->given_up;
    for (const share *part = s->unknown; part; part = part->next) any = any || part->port->gives_up;
    return any;
}

/* Under the lock: moves what is queued to `taken`, as much as one batch has. A port that has something taken cannot be
 * closed, any other can: so the journal thread touches no ports but those of its batches. */
static bool batch_collect(store *s)
{
    assert(!s->taken);
    for (store_port *p = s->ports; p; p = p->next) {
        if (!p->queued.head) continue;
        queue_take(p);
        p->taken.next = s->taken;
        s->taken = &p->taken;
    }
    return s->taken != NULL;
}

typedef enum work_result { WORK_TAKEN, WORK_NONE, WORK_CLOSED } work_result;

/* Waits for work, at most wait_ms (-1: for ever), and takes it. */
static work_result batch_wait(store *s, int64_t wait_ms)
{
    struct timespec until = store_after_ms(wait_ms < 0 ? 0 : wait_ms);
    int rc = 0;
    (void)pthread_mutex_lock(&s->lock);
    bool any = batch_collect(s);
    while (!any && !s->closing && !s->doubted && !unknown_is_given_up(s) && rc == 0) {
        s->idle = true;
        rc = wait_ms < 0 ? pthread_cond_wait(&s->work, &s->lock) : pthread_cond_timedwait(&s->work, &s->lock, &until);
        s->idle = false;
        any = batch_collect(s);
    }
    bool closed = s->closing;
    (void)pthread_mutex_unlock(&s->lock);
    return any ? WORK_TAKEN : closed ? WORK_CLOSED : WORK_NONE;
}

/* Links the shares of a batch into one list, so that one call writes it. Where each share ends is known by its tail. */
static store_segment *batch_join(share *batch)
{
    store_segment *head = NULL, *tail = NULL;
    assert(batch);
    for (share *part = batch; part; part = part->next) {
        assert(part->list.head);
        part->list.tail->next = NULL;
        if (tail)
            tail->next = part->list.head;
        else
            head = part->list.head;
        tail = part->list.tail;
    }
    return head;
}

static const char key_taken[] = "a key of it is taken", run_gone[] = "retention has deleted the run";

/* Why the segment is not on disk, though its batch is; NULL: it is. */
static const char *segment_refusal(const store_segment *g)
{
    assert(g->outcome == STORE_DONE || g->outcome == STORE_KEY_TAKEN || g->outcome == STORE_GONE);
    return g->outcome == STORE_KEY_TAKEN ? key_taken : g->outcome == STORE_GONE ? run_gone : NULL;
}

static void share_give_back(store *s, share *part, store_outcome outcome, const char *error)
{
    store_port *p = part->port;
    uint64_t bytes = 0;
    part->list.tail->next = NULL;
    for (store_segment *g = part->list.head; g; g = g->next) {
        bytes += segment_bytes(g);
        if (error) g->outcome = outcome;
        g->error = error ? error : segment_refusal(g);
    }
    uint64_t before = __atomic_fetch_sub(&s->queue_bytes, bytes, __ATOMIC_SEQ_CST);
    assert(before >= bytes);
    (void)before;
    (void)pthread_mutex_lock(&s->lock);
    segments_append(&p->done, &part->list);
    p->all_at_once = p->all_at_once || error || part == &p->unknown;
    int rc = uv_async_send(&p->wake);
    (void)pthread_mutex_unlock(&s->lock); /* from here on the port may be closed and freed */
    assert(rc == 0);
    (void)rc;
}

/* Gives a batch back to its ports, with that outcome. `error` NULL: each segment has an outcome of its own. */
static void batch_give_back(store *s, share **batch, store_outcome outcome, const char *error)
{
    assert((outcome == STORE_DONE) == !error);
    for (share *part = *batch, *next; part; part = next) {
        next = part->next; /* `part` lies in its port, which may be closed as soon as it has its share */
        share_give_back(s, part, outcome, error);
    }
    *batch = NULL;
    ports_tell_room(s);
}

static void batch_count(store *s, const store_segment *list)
{
    uint64_t n = 0, bytes = 0;
    for (; list; list = list->next, n++) bytes += list->len;
    (void)__atomic_add_fetch(&s->commits, 1, __ATOMIC_RELAXED);
    (void)__atomic_add_fetch(&s->segments, n, __ATOMIC_RELAXED);
    (void)__atomic_add_fetch(&s->bytes, bytes, __ATOMIC_RELAXED);
}

/* Writes the list as one batch, and lets the index know what became of it before anybody else does. */
static store_outcome batch_write(store *s, store_segment *list, char *error, size_t error_size)
{
    store_segment *all = s->index ? run_index_expect(s->index, list) : list;
    store_outcome outcome = s->backend->ops->commit(s->backend, all, store_now_ms(s), error, error_size);
    if (outcome == STORE_DONE) batch_count(s, list);
    if (s->index && outcome == STORE_DONE) run_index_tell(s->index, list);
    if (s->index && outcome != STORE_DONE && outcome != STORE_UNKNOWN) run_index_refused(s->index);
    return outcome;
}

/* Copies the text to where it stays until store_close: loops read it while later commits fail for other reasons. A disk
 * fails in few ways, so STORE_TEXTS_MAX are enough. */
static const char *error_text_copy(store *s, const char *text)
{
    for (size_t i = 0; i < STORE_TEXTS_MAX; i++) {
        if (s->texts[i][0] && strcmp(s->texts[i], text) != 0) continue;
        if (!s->texts[i][0]) (void)snprintf(s->texts[i], BACKEND_ERROR_MAX, "%s", text);
        return s->texts[i];
    }
    return "the journal could not be written (see the log)";
}

/* ---- A batch of unknown outcome ----
 *
 * What a failed write has left may come back when the database is opened anew, so no owner of its segments is told
 * anything before that:
 *
 *     write fails ----> unknown ---- opened anew, it is there --------------------------> done
 *                       ^  |  \---- not there, written a second time: succeeds ---------> done
 *                       |  |   \--- not there, nor after a second try that failed too --> refused
 *                       |  |    \-- given up (store_give_up, store_port_give_up) --> unknown: the next start finds out
 *                       \__/ cannot be opened or read yet; the second try fails
 */

static void unknown_set_aside(store *s, const char *text)
{
    assert(s->taken);
    assert(!s->unknown);
    s->unknown_text = text;
    s->rewritten = false;
    for (share *part = s->taken; part; part = part->next) {
        share *aside = &part->port->unknown;
        assert(!aside->list.head);
        segments_append(&aside->list, &part->list);
        aside->next = s->unknown;
        s->unknown = aside;
    }
    s->taken = NULL;
}

static void unknown_give_up(store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool given_up = unknown_is_given_up(s);
    (void)pthread_mutex_unlock(&s->lock);
    if (!given_up) return;
    if (s->index) run_index_doubt(s->index, batch_join(s->unknown));
    batch_give_back(s, &s->unknown, STORE_UNKNOWN, s->unknown_text);
}

/* The database was opened anew: finds out whether the batch of unknown outcome is there, and if not, writes it again.
 * False: the outcome is still not known. */
static bool unknown_resolve(store *s)
{
    char error[BACKEND_ERROR_MAX] = "";
    const char *why = NULL;
    bool there;
    if (!s->unknown) return true;
    store_segment *list = batch_join(s->unknown);
    if (!s->backend->ops->find_commit(s->backend, list, &there, &why)) {
        fprintf(stderr, "stepwell: journal: the write that failed cannot be looked for: %s\n", why);
        return false;
    }
    store_outcome outcome = there ? STORE_DONE : STORE_REFUSED;
    if (there) batch_count(s, list);
    if (there && s->index) run_index_tell(s->index, list);
    if (!there && s->index) run_index_refused(s->index);
    if (!there && !s->rewritten) {
        s->rewritten = true;
        outcome = batch_write(s, list, error, sizeof error);
        if (outcome != STORE_DONE) fprintf(stderr, "stepwell: journal: written again, and failed again: %s\n", error);
        if (outcome != STORE_DONE)
            return false; /* perhaps no disk could write this batch: next time it is not there, and refused */
    }
    batch_give_back(s, &s->unknown, outcome, outcome == STORE_DONE ? NULL : s->unknown_text);
    return true;
}

/* ---- Outages: while the journal cannot be written, all segments are given back at once ---- */

/* A disk that takes try_write and refuses the next commit would fail the steps of the waiting runs again and again. So
 * a failure within RELAPSE_MS of the last outage doubles the pause before the next try. */
void store_begin_outage(store *s)
{
    bool again = s->healed_ms > 0 && steady_ms() - s->healed_ms < RELAPSE_MS;
    if (!again) s->pause_ms = RETRY_FIRST_MS;
    if (again) s->pause_ms = s->pause_ms * 2 < RELAPSE_PAUSE_MAX_MS ? s->pause_ms * 2 : RELAPSE_PAUSE_MAX_MS;
    s->retry_ms = s->pause_ms;
    assert(s->retry_ms >= RETRY_FIRST_MS && s->retry_ms <= RELAPSE_PAUSE_MAX_MS);
    s->retry_at_ms = steady_ms() + s->retry_ms;
    store_set_read_only(s, true);
}

static void batch_commit(store *s)
{
    static const char at_present[] = "the journal cannot be written at present; it is tried again by itself";
    char error[BACKEND_ERROR_MAX] = "";
    store_segment *list = batch_join(s->taken);
    if (__atomic_load_n(&s->read_only, __ATOMIC_RELAXED)) {
        (void)__atomic_add_fetch(&s->commit_errors, 1, __ATOMIC_RELAXED);
        batch_give_back(s, &s->taken, STORE_REFUSED, at_present);
        return;
    }
    int64_t began_us = steady_us();
    store_outcome outcome = batch_write(s, list, error, sizeof error);
    if (outcome == STORE_DONE) {
        if (s->options.on_commit) s->options.on_commit(s->options.on_commit_arg, (uint64_t)(steady_us() - began_us));
        batch_give_back(s, &s->taken, STORE_DONE, NULL);
        return;
    }
    (void)__atomic_add_fetch(&s->commit_errors, 1, __ATOMIC_RELAXED);
    fprintf(stderr, "stepwell: journal write failed, refusing runs until the disk can be written: %s\n", error);
    store_begin_outage(s); /* before the segments come back, so that store_writable is false for their runs */
    if (BUG(UNKNOWN_REFUSED) && outcome == STORE_UNKNOWN) outcome = STORE_REFUSED;
    if (outcome == STORE_UNKNOWN)
        unknown_set_aside(s, error_text_copy(s, error));
    else
        batch_give_back(s, &s->taken, outcome, error_text_copy(s, error));
    unknown_give_up(s);
}

static void outage_try_to_heal(store *s)
{
    char error[BACKEND_ERROR_MAX] = "";
    assert(__atomic_load_n(&s->read_only, __ATOMIC_RELAXED));
    if (!s->backend->ops->reopen(s->backend, error, sizeof error)) {
        if (*error) fprintf(stderr, "stepwell: %s\n", error);
        if (s->options.on_fenced && s->backend->ops->is_fenced(s->backend)) s->options.on_fenced();
        return;
    }
    if (!unknown_resolve(s)) return;
    assert(!s->unknown);
    if (!s->backend->ops->try_write(s->backend, error, sizeof error)) return;
    fprintf(stderr, "stepwell: the journal can be written again\n");
    s->healed_ms = steady_ms();
    store_set_read_only(s, false);
}

void store_doubt(store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->doubted = true;
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_cond_signal(&s->work);
}

/* After store_doubt: tries whether the database takes any write, and begins an outage if not. */
static void doubt_resolve(store *s)
{
    char error[BACKEND_ERROR_MAX] = "";
    (void)pthread_mutex_lock(&s->lock);
    bool doubted = s->doubted;
    s->doubted = false;
    (void)pthread_mutex_unlock(&s->lock);
    if (!doubted || __atomic_load_n(&s->read_only, __ATOMIC_RELAXED)) return;
    if (s->backend->ops->try_write(s->backend, error, sizeof error)) return;
    fprintf(stderr, "stepwell: the journal takes no writes, refusing runs until it does: %s\n", error);
    store_begin_outage(s);
}

static void outage_heal_when_due(store *s)
{
    int64_t longest_ms = s->pause_ms > RETRY_MAX_MS ? s->pause_ms : RETRY_MAX_MS;
    if (steady_ms() < s->retry_at_ms) return;
    outage_try_to_heal(s);
    s->retry_ms = s->retry_ms * 2 < longest_ms ? s->retry_ms * 2 : longest_ms;
    s->retry_at_ms = steady_ms() + s->retry_ms;
}

/* ---- The thread, and who does its work by hand ---- */

/* How long the journal thread may wait for work; -1: until there is any. */
static int64_t outage_wait_ms(const store *s)
{
    if (!__atomic_load_n(&s->read_only, __ATOMIC_RELAXED)) return -1;
    int64_t left_ms = s->retry_at_ms - steady_ms();
    return left_ms > 0 ? left_ms : 0;
}

/* Does what there is to do. `taken`: there is a batch. */
static void journal_do_round(store *s, bool taken)
{
    assert(taken == (s->taken != NULL));
    if (taken) batch_commit(s);
    assert(!s->taken);
    doubt_resolve(s);
    if (!__atomic_load_n(&s->read_only, __ATOMIC_RELAXED)) return;
    unknown_give_up(s);
    outage_heal_when_due(s);
}

void *store_journal_main(void *arg)
{
    store *s = arg;
    (void)pthread_setname_np(pthread_self(), "sw-journal");
    for (work_result got; (got = batch_wait(s, outage_wait_ms(s))) != WORK_CLOSED;)
        journal_do_round(s, got == WORK_TAKEN);
    assert(!s->taken && !s->unknown); /* else a port would be open */
    return NULL;
}

bool store_is_by_hand(const store *s) { return s->options.by_hand; }

int64_t store_hand_write_due_ms(store *s)
{
    assert(s->options.by_hand);
    (void)pthread_mutex_lock(&s->lock);
    bool now = s->doubted || unknown_is_given_up(s);
    for (const store_port *p = s->ports; p; p = p->next) now = now || p->queued.head;
    (void)pthread_mutex_unlock(&s->lock);
    return now ? 0 : outage_wait_ms(s);
}

void store_hand_write(store *s)
{
    assert(s->options.by_hand);
    (void)pthread_mutex_lock(&s->lock);
    bool taken = batch_collect(s);
    (void)pthread_mutex_unlock(&s->lock);
    journal_do_round(s, taken);
}
