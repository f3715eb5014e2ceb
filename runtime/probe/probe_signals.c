/* probe_signals: the signals that --prove sends (--prove-signal): to each run all of them, as soon as nothing goes on
 * that does not wait, in each execution, under the same ids, so that a run which had them before takes none twice. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json_reader.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe_core.h"
#include "runtime/probe/probe_runs.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"

/* Splits NAME=JSON; without the sign the signal is nil. */
static entry_text signal_name(const char *text) { return (entry_text){text, strcspn(text, "=")}; }

static bool signal_read(const char *text, arena *a, sw_value *out, const char **message)
{
    const char *json = strchr(text, '=');
    *out = (sw_value){.type = MSGPACK_OBJECT_NIL};
    *message = NULL;
    return !json || json_read(a, json + 1, strlen(json + 1), out, message);
}

bool probe_check_signals(const char *const *signals, char *error, size_t error_size)
{
    for (const char *const *s = signals; s && *s; s++) {
        entry_text name = signal_name(*s);
        const char *message = NULL;
        sw_value v;
        arena a;
        arena_init(&a, NULL);
        bool is_name = mail_name_fits(name.data, name.len), is_json = is_name && signal_read(*s, &a, &v, &message);
        if (!is_name)
            (void)snprintf(error, error_size,
                           "--prove-signal \"%s\": must be NAME or NAME=JSON, as 'approved={\"by\":1}'", *s);
        else if (!is_json)
            (void)snprintf(error, error_size, "--prove-signal \"%s\": %s", *s, message);
        arena_free(&a);
        if (!is_json) return false;
    }
    return true;
}

static void signal_on_fate(void *arg, mail_fate fate) { (void)arg, (void)fate; }

/* The signal with that number of --prove-signal. */
static void signal_send(home *h, slot *to, size_t number)
{
    const char *text = h->opt->prove_signals[number];
    uint8_t id[ENTRY_LETTER_BYTES] = "prove";
    const char *message = NULL;
    msgpack_sbuffer packed;
    sw_value v;
    arena a;
    id[sizeof id - 1] = (uint8_t)number;
    id[sizeof id - 2] = (uint8_t)(number >> 8);
    arena_init(&a, h->arenas);
    msgpack_sbuffer_init(&packed);
    bool ok = signal_read(text, &a, &v, &message) && value_pack(&packed, v, SIZE_MAX, &message);
    const mail_wish wish = {
        .id = id, .name = signal_name(text), .value = {packed.data, packed.size}, .on_fate = signal_on_fate};
    if (ok) (void)mailbox_send(h, to, &wish);
    msgpack_sbuffer_destroy(&packed);
    arena_free(&a);
}

bool probe_signals_come(const run *r)
{
    const char *const *signals = r->task.home->opt->prove_signals;
    return probe_on && signals && *signals && !probe_run_of(&r->id)->has_signals;
}

/* Sends the signals to the run of this slot, unless it had them from this process, or is not on disk yet. */
static bool slot_get_signals(home *h, slot *to)
{
    known_run *known = probe_run_of(&to->id);
    if (known->has_signals || !(to->run ? run_is_durable(to->run) : to->has_live_row)) return false;
    known->has_signals = true;
    for (size_t i = 0; h->opt->prove_signals[i]; i++) signal_send(h, to, i);
    if (to->run) run_wake_waits(to->run); /* also if there was no room for any of them */
    return true;
}

bool probe_send_signals(home *h)
{
    bool any = false;
    const run *r;
    if (!h->opt->prove_signals || !*h->opt->prove_signals) return false;
    while ((r = TAILQ_FIRST(&h->runs.slotless)) != NULL)
        if (!slot_find_or_add(h, &r->id)) return false;
    for (size_t i = 0; i < h->slots.bucket_count; i++)
        for (slot *s = h->slots.buckets[i]; s; s = s->next) any = slot_get_signals(h, s) || any;
    return any;
}
