#include "runtime/run/run_trace.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "http/client/client.h"
#include "runtime/base/random.h"
#include "runtime/base/value.h"
#include "runtime/run/begun.h"
#include "runtime/run/ctx.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/program.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"
#include "runtime/trace/trace_hosts.h"
#include "runtime/trace/trace_ids.h"
#include "runtime/trace/tracer.h"
#include "storage/entry_more.h"

/* ---- What the request says ---- */

/* The headers of a request that are about its trace. */
typedef struct trace_headers {
    trace_parent parent;
    unsigned parents; /* headers of that name: more than one name no span */
    trace_state state;
    const char *baggage; /* in the task's arena; "": none */
    unsigned baggage_members;
    bool baggage_is_bad, lacks_memory;
} trace_headers;

static bool header_named(const http_header *h, const char *name, size_t len)
{
    return h->name.len == len && strncasecmp(h->name.data, name, len) == 0;
}

static void headers_add_baggage(trace_headers *to, arena *a, const http_header *h)
{
    if (to->baggage_is_bad) return;
    size_t before = strlen(to->baggage);
    to->baggage_is_bad = before + 1 + h->value.len > TRACE_BAGGAGE_MAX ||
                         !trace_baggage_is_good(h->value.data, h->value.len, &to->baggage_members);
    if (to->baggage_is_bad) return;
    const char *joined = arena_printf(a, "%s%s%.*s", to->baggage, before ? "," : "", (int)h->value.len, h->value.data);
    to->lacks_memory = to->lacks_memory || !joined;
    if (joined) to->baggage = joined;
}

static void headers_read(trace_headers *to, task *t, const run_input *input)
{
    for (size_t i = 0; i < input->header_count; i++) {
        const http_header *h = &input->headers[i];
        if (header_named(h, "traceparent", 11)) {
            if (++to->parents > 1 || !trace_parent_read(h->value.data, h->value.len, &to->parent)) to->parent.span = 0;
        } else if (header_named(h, "tracestate", 10)) {
            (void)trace_state_add(&to->state, h->value.data, h->value.len);
        } else if (header_named(h, "baggage", 7) && t->home->opt->trace_hosts) {
            headers_add_baggage(to, &t->arena, h); /* else it would go nowhere */
        }
    }
}

/* ---- The task's trace ---- */

/* Numbers this execution of the run: the first one in which it begins has 0. */
static uint64_t trace_execution(const task *t)
{
    home *h = t->home;
    return t->run && t->run->replay ? h->last_ctx += h->count : 0;
}

static uint64_t trace_request_span(const task_trace *trace)
{
    return trace_span_id(trace->subject, &(trace_place){.path = PATH_ROOT, .generation = trace->generation});
}

const uint8_t *task_trace_id(task_trace *trace)
{
    if (trace->has_id) return trace->id;
    if (trace->caller.span != 0)
        memcpy(trace->id, trace->caller.trace, TRACE_ID_BYTES);
    else
        trace_id_of_run(trace->subject, trace->id);
    trace->has_id = true;
    return trace->id;
}

/* Makes the ids of the task's trace, whose caller is known. */
static void trace_settle(task *t, task_trace *trace)
{
    const struct tracer *out = t->home->app->tracer;
    const bool has_caller = trace->caller.span != 0;
    const trace_parent *trusted = t->home->opt->trace_trust && has_caller ? &trace->caller : NULL;
    if (t->run)
        memcpy(trace->subject, t->run->id.bytes, sizeof trace->subject);
    else
        random_bytes(trace->subject, sizeof trace->subject);
    trace->has_spans = out != NULL;
    trace->execution = trace_execution(t);
    if (t->run && t->run->replay && replay_reopened(t->run->replay))
        trace->generation = replay_reopened(t->run->replay)->attempt;
    trace->span = out ? trace_request_span(trace) : trace->caller.span;
    const uint64_t draw = out && sampler_draws(&out->env.sampler) ? sampler_draw(task_trace_id(trace)) : 0;
    trace->is_sampled =
        out ? sampler_takes(&out->env.sampler, draw, trusted) : trusted && trusted->flags & TRACE_FLAG_SAMPLED;
    assert(trace->span != 0);
    t->trace = trace;
}

/* Finds the trace of a task that belongs to one, perhaps. */
static __attribute__((noinline)) bool trace_begin(task *t, const run_input *input)
{
    trace_headers said = {.baggage = ""};
    headers_read(&said, t, input);
    if (said.lacks_memory) return false;
    const bool has_caller = said.parent.span != 0;
    if (!has_caller && !t->home->app->tracer) return true;
    task_trace *trace = arena_zalloc(&t->arena, sizeof *trace);
    if (!trace) return false;
    if (has_caller) trace->caller = said.parent;
    if (has_caller && said.state.len > 0) trace->state = arena_strndup(&t->arena, said.state.text, said.state.len);
    if (has_caller && said.state.len > 0 && !trace->state) return false;
    if (has_caller && *said.baggage && !said.baggage_is_bad) trace->baggage = said.baggage;
    trace_settle(t, trace);
    return true;
}

bool run_trace_begin(task *t, const run_input *input)
{
    assert(!t->trace);
    bool belongs = t->home->app->tracer != NULL;
    for (size_t i = 0; i < input->header_count && !belongs; i++)
        belongs = header_named(&input->headers[i], "traceparent", 11);
    return !belongs || trace_begin(t, input);
}

/* ---- In the journal ---- */

static bool pack_pair(msgpack_packer *pk, const char *name, const char *value)
{
    return !value || (value_pack_text(pk, name) && value_pack_text(pk, value));
}

uint32_t run_trace_pairs(const task *t)
{
    const task_trace *trace = t->trace;
    if (!trace || trace->caller.span == 0) return 0;
    return 1U + (trace->state != NULL) + (trace->baggage != NULL);
}

bool run_trace_pack(const task *t, msgpack_packer *pk)
{
    const task_trace *trace = t->trace;
    char parent[TRACE_PARENT_TEXT + 1];
    if (run_trace_pairs(t) == 0) return true;
    trace_parent_write(&trace->caller, parent);
    return pack_pair(pk, "traceparent", parent) && pack_pair(pk, "tracestate", trace->state) &&
           pack_pair(pk, "baggage", trace->baggage);
}

uint32_t run_trace_child_pairs(const task *t)
{
    const task_trace *trace = t->trace;
    return trace ? 1U + (trace->state != NULL) + (trace->baggage != NULL) : 0;
}

bool run_trace_child_pack(const task *t, msgpack_packer *pk)
{
    task_trace *trace = t->trace;
    char text[TRACE_PARENT_TEXT + 1];
    if (!trace) return true;
    trace_parent parent = {.span = trace->span, .flags = trace->is_sampled ? TRACE_FLAG_SAMPLED : 0};
    memcpy(parent.trace, task_trace_id(trace), sizeof parent.trace);
    trace_parent_write(&parent, text);
    return pack_pair(pk, "traceparent", text) && pack_pair(pk, "tracestate", trace->state) &&
           pack_pair(pk, "baggage", trace->baggage);
}

/* Copies the text of that name, zero-terminated; NULL if there is none. False: no memory. */
static bool kept_copy(run *r, const entry *started, const char *name, const char **out)
{
    entry_text text = entry_more_find(started->more, name);
    *out = text.data ? arena_strndup(&r->journal, text.data, text.len) : NULL;
    return !text.data || *out;
}

/* What `started` has of the trace. */
typedef struct kept_trace {
    trace_parent caller; /* span 0: none */
    const char *state, *baggage;
} kept_trace;

/* What cannot be read is of a later version, or damaged: then the run has no caller, which harms nobody. */
static trace_parent kept_caller(const entry *started)
{
    trace_parent caller;
    entry_text text = entry_more_find(started->more, "traceparent");
    return text.data && trace_parent_read(text.data, text.len, &caller) ? caller : (trace_parent){.span = 0};
}

/* False: no memory. */
static bool kept_read(kept_trace *out, run *r, const entry *started)
{
    *out = (kept_trace){.caller = kept_caller(started)};
    return out->caller.span == 0 ||
           (kept_copy(r, started, "tracestate", &out->state) && kept_copy(r, started, "baggage", &out->baggage));
}

trace_parent run_trace_find_span(const run_id *id, const entry *started)
{
    trace_parent found = kept_caller(started);
    if (found.span == 0) trace_id_of_run(id->bytes, found.trace);
    found.span = trace_span_id(id->bytes, &(trace_place){.path = PATH_ROOT});
    return found;
}

/* Reads what a fork's span links to. False: no memory. */
static bool trace_read_link(task_trace *trace, run *r, const entry *started)
{
    begun how;
    trace_parent of;
    begun_read(started, &how);
    if (!trace_parent_read(how.forked_span, strlen(how.forked_span), &of)) return true;
    trace->link = arena_memdup(&r->journal, &of, sizeof of);
    return trace->link != NULL;
}

bool run_trace_restore(run *r, const entry *started)
{
    kept_trace kept;
    task_trace *trace = NULL;
    assert(!r->task.trace);
    bool read = kept_read(&kept, r, started), exports = r->task.home->app->tracer != NULL;
    bool belongs = kept.caller.span != 0 || exports;
    if (read && belongs) trace = arena_zalloc(&r->journal, sizeof *trace);
    if (!read || (belongs && !trace) || (exports && !trace_read_link(trace, r, started))) {
        r->lacks_memory = true;
        return false;
    }
    if (!belongs) return true;
    trace->caller = kept.caller;
    trace->state = kept.state;
    trace->baggage = kept.baggage;
    trace_settle(&r->task, trace);
    return true;
}

/* ---- In calls ---- */

static bool headers_have(const char *const *headers, const char *name)
{
    for (; headers && *headers; headers++)
        if (header_is(*headers, name)) return true;
    return false;
}

/* What a call tells its host. */
typedef struct told_trace {
    const char *lines[3];
    size_t count;
    bool lacks_memory;
} told_trace;

static void told_add(told_trace *to, const traced_call *call, const char *name, const char *line)
{
    if (headers_have(call->headers, name)) return;
    to->lacks_memory = to->lacks_memory || !line;
    to->lines[to->count++] = line;
}

/* Who has no --trace-hosts tells every host the trace's id, which says nothing, and none the rest, which may. */
static void told_gather(told_trace *to, sw_ctx *c, const traced_call *call)
{
    const task_trace *trace = c->task->trace;
    const char *hosts = c->task->home->opt->trace_hosts;
    const http_shown_url shown = http_url_shown(call->url);
    const bool is_named = trace_hosts_have(hosts, shown.host_path, (size_t)shown.host_len);
    if ((hosts && !is_named) || headers_have(call->headers, "traceparent")) return;
    trace_parent p = {.span = call->span ? call->span : trace->span, .flags = trace->is_sampled};
    char text[TRACE_PARENT_TEXT + 1];
    memcpy(p.trace, task_trace_id(c->task->trace), TRACE_ID_BYTES);
    trace_parent_write(&p, text);
    told_add(to, call, "traceparent", arena_printf(c->arena, "traceparent: %s", text));
    if (!is_named) return;
    if (trace->state) told_add(to, call, "tracestate", arena_printf(c->arena, "tracestate: %s", trace->state));
    if (trace->baggage) told_add(to, call, "baggage", arena_printf(c->arena, "baggage: %s", trace->baggage));
}

bool run_trace_headers(sw_ctx *c, const traced_call *call, const char *const **out)
{
    told_trace told = {.count = 0};
    size_t n = 0;
    *out = call->headers;
    if (!c->task->trace) return true;
    told_gather(&told, c, call);
    if (told.count == 0) return true;
    while (call->headers && call->headers[n]) n++;
    const char **all = told.lacks_memory ? NULL : arena_alloc(c->arena, (n + told.count + 1) * sizeof *all);
    if (!all) return false;
    if (n > 0) memcpy(all, call->headers, n * sizeof *all);
    memcpy(all + n, told.lines, told.count * sizeof *all);
    all[n + told.count] = NULL;
    *out = all;
    return true;
}

/* ---- In the log ---- */

static SW_PRINTF(4, 0) void log_of_task(const task *t, const sw_ctx *c, log_level level, const char *format,
                                        va_list args)
{
    log_about about = {.run_id = task_run_id(t)};
    char id[TRACE_ID_TEXT + 1];
    log_trace shown = {.trace_id = id};
    if (t->trace) {
        trace_id_write(task_trace_id(t->trace), id);
        shown.span = c && c->task == t && c->span ? c->span : t->trace->span;
        about.trace = &shown;
    }
    log_vabout(level, &about, format, args);
}

void run_log(const run *r, log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_of_task(&r->task, ctx_current(), level, format, args);
    va_end(args);
}

void task_log(const task *t, log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_of_task(t, NULL, level, format, args);
    va_end(args);
}

void ctx_vlog(const sw_ctx *c, log_level level, const char *format, va_list args)
{
    log_of_task(c->task, c, level, format, args);
}
