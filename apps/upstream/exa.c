#include "apps/upstream/exa.h"

#include <assert.h>
#include <string.h>

#include "apps/upstream/chance.h"
#include "apps/upstream/corpus.h"
#include "apps/upstream/sim.h"

enum { RESULTS_DEFAULT = 10, RESULTS_MAX = 100, TEXT_MAX_DEFAULT = 10000 };

typedef struct search {
    const char *query;
    const char *type; /* as asked; "auto" if not */
    size_t results;   /* wanted */
    size_t text_max;  /* bytes of text; 0: none wanted */
    bool highlights;
    bool summary;
} search;

typedef struct search_problem {
    int status;
    const char *tag;
    const char *error;
} search_problem;

static void search_refuse(sim_call *call, search_problem problem)
{
    sw_ctx *c = call->c;
    sim_reply(call, problem.status,
              sw_map(c, "requestId", sw_str(c, call->request_id), "error", sw_str(c, problem.error), "tag",
                     sw_str(c, problem.tag)));
}

static bool search_invalid(search_problem *problem, const char *tag, const char *error)
{
    *problem = (search_problem){.status = 400, .tag = tag, .error = error};
    return false;
}

static bool key_check(sw_ctx *c, search_problem *problem)
{
    const char *key = sw_header(c, "x-api-key");
    if (key && *key && strncmp(key, "invalid", 7) != 0) return true;
    *problem = (search_problem){.status = 401,
                                .tag = "INVALID_API_KEY",
                                .error = key ? "x-api-key header is invalid" : "x-api-key header is required"};
    return false;
}

static bool option_wanted(sw_value option) { return sw_type(option) == SW_MAP || sw_as_bool(option, false); }

static bool contents_read(sw_value contents, search *out, search_problem *problem)
{
    if (sw_is_nil(contents) || sw_type(contents) == SW_BOOL) return true;
    if (sw_type(contents) != SW_MAP)
        return search_invalid(problem, "INVALID_REQUEST_BODY", "contents must be an object");
    sw_value text = sw_get(contents, "text");
    if (option_wanted(text)) {
        int64_t max = sw_as_int(sw_get(text, "maxCharacters"), TEXT_MAX_DEFAULT);
        if (max < 1)
            return search_invalid(problem, "INVALID_REQUEST_BODY", "contents.text.maxCharacters must be 1 or more");
        out->text_max = (size_t)max;
    }
    out->highlights = option_wanted(sw_get(contents, "highlights"));
    out->summary = option_wanted(sw_get(contents, "summary"));
    return true;
}

static bool type_known(const char *type)
{
    static const char *const types[] = {"auto",   "neural", "keyword",   "fast",           "instant",
                                        "hybrid", "deep",   "deep-lite", "deep-reasoning", NULL};
    for (const char *const *known = types; *known; known++)
        if (strcmp(*known, type) == 0) return true;
    return false;
}

static bool search_read(sw_ctx *c, search *out, search_problem *problem)
{
    sw_bytes raw = sw_body(c);
    sw_value body;
    if (!sw_json_try(c, raw.data, raw.len, &body, NULL) || sw_type(body) != SW_MAP)
        return search_invalid(problem, "INVALID_REQUEST_BODY", "The request body is not a JSON object");
    *out = (search){.query = sw_cstr(c, sw_get(body, "query")), .type = sw_cstr(c, sw_get(body, "type"))};
    if (!out->query || !*out->query) return search_invalid(problem, "INVALID_REQUEST_BODY", "query is required");
    if (!out->type) out->type = "auto";
    if (!type_known(out->type))
        return search_invalid(problem, "INVALID_REQUEST_BODY",
                              sw_printf(c, "type: \"%s\" is not a search type", out->type));
    sw_value count = sw_get(body, "numResults");
    int64_t results = sw_is_nil(count) ? RESULTS_DEFAULT : sw_as_int(count, -1);
    if (results < 1 || results > RESULTS_MAX)
        return search_invalid(problem, "INVALID_NUM_RESULTS", "numResults must be a whole number from 1 to 100");
    out->results = (size_t)results;
    return contents_read(sw_get(body, "contents"), out, problem);
}

/* True if the call ended with an error instead of results. */
static bool search_fails(sim_call *call)
{
    if (call->fault == FAULT_OVERLOAD)
        search_refuse(call,
                      (search_problem){.status = 503, .tag = "SERVICE_UNAVAILABLE", .error = "Service unavailable"});
    else if (call->fault == FAULT_ERROR)
        search_refuse(call, (search_problem){.status = 500, .tag = "INTERNAL_ERROR", .error = "Internal server error"});
    else
        return false;
    return true;
}

static sw_value result_value(sw_ctx *c, const search *s, uint64_t world, size_t rank)
{
    corpus_page page = corpus_find(c, world, s->query, rank);
    sw_value v = sw_map(c, "id", sw_str(c, page.url), "title", sw_str(c, page.title), "url", sw_str(c, page.url),
                        "publishedDate", sw_str(c, page.published), "author", sw_str(c, page.author));
    sw_set(c, &v, "score", sw_double(0.62 / (1 + 0.08 * (double)rank)));
    sw_set(c, &v, "image",
           sw_strf(c, "https://%s/images/%08llx.jpg", page.host, (unsigned long long)(page.seed >> 32)));
    sw_set(c, &v, "favicon", sw_strf(c, "https://%s/favicon.ico", page.host));
    if (s->text_max > 0) sw_set(c, &v, "text", sw_str(c, corpus_text(c, &page, s->text_max)));
    if (s->highlights) {
        sw_set(c, &v, "highlights", sw_array(c, 1, sw_str(c, corpus_text(c, &page, 240))));
        sw_set(c, &v, "highlightScores", sw_array(c, 1, sw_double(0.5)));
    }
    if (s->summary) sw_set(c, &v, "summary", sw_str(c, corpus_text(c, &page, 400)));
    return v;
}

static sw_value answer_value(const sim_call *call, const search *s)
{
    sw_ctx *c = call->c;
    sw_value results = sw_array(c, 0);
    /* The world, not the call's own number: other queries must find the same pages. */
    uint64_t world = chance_mix(sim_settings()->seed, 0x657861);
    for (size_t rank = 0; rank < s->results; rank++) sw_push(c, &results, result_value(c, s, world, rank));
    double search_cost = s->results <= 25 ? 0.005 : 0.025, text_cost = s->text_max ? 0.001 * (double)s->results : 0;
    sw_value cost =
        sw_map(c, "total", sw_double(search_cost + text_cost), "search", sw_map(c, "neural", sw_double(search_cost)));
    if (s->text_max) sw_set(c, &cost, "contents", sw_map(c, "text", sw_double(text_cost)));
    sw_value answer = sw_map(c, "requestId", sw_str(c, call->request_id), "resolvedSearchType",
                             sw_str(c, strcmp(s->type, "auto") == 0 ? "neural" : s->type), "results", results);
    sw_set(c, &answer, "costDollars", cost);
    return answer;
}

void exa_search(sw_ctx *c)
{
    sim_call call = sim_begin(c, CALL_SEARCH);
    search_problem problem;
    search asked;
    if (!key_check(c, &problem) || !search_read(c, &asked, &problem)) {
        search_refuse(&call, problem);
        return;
    }
    assert(asked.results >= 1);
    call_log_label(call.number, sw_printf(c, "search: %s", asked.query));
    int64_t wait_ms = sim_admit(&call, CALL_SEARCH, (fault_scope){0});
    if (wait_ms > 0) {
        sim_retry_after(&call, wait_ms);
        search_refuse(&call,
                      (search_problem){.status = 429, .tag = "RATE_LIMIT_EXCEEDED", .error = "Too many requests"});
        return;
    }
    if (!search_fails(&call)) sim_reply(&call, 200, answer_value(&call, &asked));
}
