/* The list of a run's children: in pages, each child once and the newest first, as it stands. */
#include <jansson.h>

#include "storage/run_id.h"
#include "tests/service/functions.h"

enum { MANY = 123 };

/* ---- The program ---- */

static sw_value on_same(sw_ctx *c, sw_value input) { return (void)c, input; }

static sw_value on_fails(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_fail_fatal(c, "there is no paper");
}

static sw_value on_sleeps(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "long", HOUR_MS);
    return input;
}

static sw_value on_many(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    for (int64_t i = 0; i < sw_as_int(input, 0); i++) sw_group_call(g, "one", "same", sw_int(i));
    return sw_int((int64_t)sw_len(sw_group_wait(g)));
}

/* One of each kind. The detached one is called last, so that a client that has its answer finds all. */
static sw_value on_mixed(sw_ctx *c, sw_value input)
{
    sw_value out = sw_nil();
    sw_error err = {.message = ""};
    (void)sw_call(c, "fine", "same", input);
    CHECK(!sw_try_call(c, "bad", "fails", input, &out, &err));
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "slow", "sleeps", input);
    sw_group_sleep(g, "soon", 1);
    (void)sw_group_any(g, "first", &out);
    return sw_call_with(c, "later", "sleeps", input, &(sw_call_options){.detached = true});
}

/* Stays itself, since it does not end. */
static sw_value on_forgets(sw_ctx *c, sw_value input)
{
    (void)sw_call(c, "kept for no time", "forgotten", input);
    return on_sleeps(c, input);
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("children");
    sw_function(app, "same", on_same, NULL);
    sw_function(app, "fails", on_fails, NULL);
    sw_function(app, "sleeps", on_sleeps, NULL);
    sw_function(app, "many", on_many, NULL);
    sw_function(app, "mixed", on_mixed, NULL);
    sw_function(app, "forgets", on_forgets, NULL);
    sw_function(app, "forgotten", on_same, &(sw_function_options){.retain = SW_RETAIN_NONE});
    return sw_main(app, argc, argv);
}

/* ---- Asking ---- */

static long ask_for(const char *run, const char *query)
{
    char path[256];
    snprintf(path, sizeof path, "/_sw/runs/%s/children%s", run, query);
    call("GET", server_url(path), NULL, NULL, 0, &a);
    return a.status;
}

/* The page, which the caller frees. */
static json_t *page_of(const char *run, const char *query)
{
    json_error_t error;
    CHECK_INT(ask_for(run, query), 200);
    json_t *page = json_loads(a.body, 0, &error);
    if (!page) printf("# %s: %s\n", error.text, a.body);
    CHECK(page && json_is_array(json_object_get(page, "children")));
    return page;
}

static const char *text_of(const json_t *of, const char *name)
{
    const char *text = json_string_value(json_object_get(of, name));
    return text ? text : "";
}

static void start_here(const char *name)
{
    seen = served_notes(sizeof *seen);
    start_in(name);
}

/* ---- Tests ---- */

/* Takes the children of the page, which are to be older than *last. Returns how many. */
static size_t take_page(const json_t *page, char last[RUN_ID_TEXT + 1])
{
    const json_t *children = json_object_get(page, "children");
    for (size_t i = 0; i < json_array_size(children); i++) {
        const json_t *child = json_array_get(children, i);
        CHECK(strcmp(text_of(child, "runId"), last) < 0);
        CHECK_STR(text_of(child, "calledBy"), id);
        CHECK_STR(text_of(child, "endpoint"), "same");
        CHECK_STR(text_of(child, "state"), "succeeded");
        snprintf(last, RUN_ID_TEXT + 1, "%s", text_of(child, "runId"));
    }
    return json_array_size(children);
}

static void read_in_pages(size_t limit)
{
    char last[RUN_ID_TEXT + 1] = "Z", next[RUN_ID_TEXT + 1] = "", query[128];
    size_t count = 0, pages = 0;
    do {
        snprintf(query, sizeof query, "?limit=%zu%s%s", limit, *next ? "&before=" : "", next);
        json_t *page = page_of(id, query);
        size_t n = take_page(page, last);
        snprintf(next, sizeof next, "%s", text_of(page, "next"));
        CHECK(n == limit || !*next);
        CHECK(!*next || strcmp(next, last) == 0);
        count += n;
        pages++;
        json_decref(page);
    } while (*next);
    CHECK_INT(count, MANY);
    CHECK_INT(pages, (MANY + limit - 1) / limit);
}

static void test_pages(void)
{
    char input[16], query[64];
    static const size_t limits[] = {500, 50, MANY, MANY - 1, 41, 7, 3};
    start_here("pages");
    snprintf(input, sizeof input, "%d", MANY);
    CHECK_STR(result_of("many", input), input);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) read_in_pages(limits[i]);
    json_t *page = page_of(id, "");
    CHECK_INT(json_array_size(json_object_get(page, "children")), 50);
    json_decref(page);
    snprintf(query, sizeof query, "?before=%026d", 1);
    page = page_of(id, query); /* before all of them */
    CHECK_INT(json_array_size(json_object_get(page, "children")), 0);
    CHECK(!json_object_get(page, "next"));
    json_decref(page);
    stop();
}

/* The only child that stands so. */
static const json_t *child_in(const json_t *page, const char *state)
{
    const json_t *children = json_object_get(page, "children"), *found = NULL;
    for (size_t i = 0; i < json_array_size(children); i++) {
        const json_t *child = json_array_get(children, i);
        if (strcmp(text_of(child, "state"), state) != 0) continue;
        CHECK(!found);
        found = child;
    }
    return found;
}

static void test_states(void)
{
    start_here("states");
    (void)result_of("mixed", "17");
    json_t *page = page_of(id, "");
    while (!child_in(page, "cancelled") || !child_in(page, "sleeping")) { /* as their loops come to it */
        json_decref(page);
        usleep(10000);
        page = page_of(id, "");
    }
    CHECK_INT(json_array_size(json_object_get(page, "children")), 4);
    CHECK_STR(text_of(child_in(page, "succeeded"), "endpoint"), "same");
    CHECK_STR(text_of(child_in(page, "failed"), "error"), "there is no paper");
    CHECK(!json_object_get(child_in(page, "cancelled"), "detached"));
    CHECK_STR(text_of(child_in(page, "cancelled"), "cancelledBy"), "its caller: another was first");
    CHECK(json_is_true(json_object_get(child_in(page, "sleeping"), "detached")));
    json_decref(page);
    stop();
}

/* A child whose time of retention is over is listed no more, and its caller is there still. */
static void test_forgotten(void)
{
    seen = served_notes(sizeof *seen);
    in_folder("forgotten");
    start_with("--retain", "4s"); /* so that the sweeper comes each second */
    begin("forgets", "1");
    while (!strstr(page("/_sw/runs/", id), "\"function\":\"forgotten\",\"child\":\"")) usleep(10000);
    json_t *page = page_of(id, "");
    while (json_array_size(json_object_get(page, "children")) > 0) {
        json_decref(page);
        usleep(10000);
        page = page_of(id, "");
    }
    json_decref(page);
    stop();
}

static void test_refused(void)
{
    static const struct {
        const char *query, *says;
    } wrong[] = {{"?limit=0", "\\\"limit\\\" is 1 to 500"},
                 {"?limit=501", "\\\"limit\\\" is 1 to 500"},
                 {"?limit=1x", "\\\"limit\\\" is 1 to 500"},
                 {"?limit=-1", "\\\"limit\\\" is 1 to 500"},
                 {"?before=17", "\\\"before\\\" is not a run id"},
                 {"?before=", "\\\"before\\\" is not a run id"},
                 {"?state=failed", "takes no parameter \\\"state\\\", only before and limit"}};
    start_here("refused");
    CHECK_STR(result_of("same", "1"), "1");
    json_t *page = page_of(id, "?limit=1"); /* it has called nothing */
    CHECK_INT(json_array_size(json_object_get(page, "children")), 0);
    json_decref(page);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_INT(ask_for(id, wrong[i].query), 400);
        if (!strstr(a.body, wrong[i].says)) printf("# %s\n", a.body);
        CHECK(strstr(a.body, wrong[i].says));
    }
    CHECK_INT(ask_for("00000000000000000000000000", ""), 404);
    CHECK(strstr(a.body, "no such run"));
    CHECK_INT(ask_for("nothing", ""), 404);
    stop();
}

static const check_case cases[] = {{"pages have each child once, the newest first", test_pages},
                                   {"each child is as it stands", test_states},
                                   {"a child that is deleted is not listed", test_forgotten},
                                   {"what cannot be asked is refused", test_refused}};

SERVED_MAIN(serve, NULL, cases)
