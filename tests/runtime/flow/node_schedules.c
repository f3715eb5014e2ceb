/* Two nodes of a cluster on one memory, whose program has schedules: the owner of a schedule alone fires it and may be
 * asked to change it, and both show what has become of it. */
#include "runtime/flow/schedules.h"
#include "tests/harness/pair.h"

enum { SCHEDULES = 4, POINTS = 5 };

static unsigned runs[SCHEDULES][PAIR_NODES];
static char text[TURNED_TEXT];

static const char *const names[SCHEDULES] = {"a", "b", "c", "d"};

static sw_value on_point(sw_ctx *c, sw_value input)
{
    const char *name = sw_cstr(c, sw_get(input, "schedule"));
    runs[name[0] - 'a'][pair_at]++;
    return input;
}

static void routes(sw_app *app)
{
    for (int i = 0; i < SCHEDULES; i++)
        sw_function(app, names[i], on_point, &(sw_function_options){.cron = "* * * * *", .catch_up_ms = 600000});
}

/* Has none of them. */
static void other_routes(sw_app *app) { sw_function(app, "other", on_point, NULL); }

static unsigned owner_of(const char *name) { return schedules_owner_of(turned_app->schedules, name); }

/* A schedule of that node. */
static const char *name_of(unsigned n)
{
    for (int i = 0; i < SCHEDULES; i++)
        if (owner_of(names[i]) == n) return names[i];
    CHECK(!"no schedule of the node");
    return NULL;
}

static void open_nodes(void)
{
    static clocks_state passing;
    memset(runs, 0, sizeof runs);
    if (!clocks) clocks = &passing;
    pair_pass(65000 - clock_wall_ms() % 60000); /* no minute begins while they open */
    pair_open(routes, NULL);
    for (unsigned n = 0; n < PAIR_NODES; n++) {
        pair_use(n);
        PAIR_UNTIL(schedules_are_known(turned_app->schedules));
        turned_often(); /* new ones are written, and begin with the next point */
    }
    pair_use(0);
}

static void to_next_point(void)
{
    pair_pass(60000 - clock_wall_ms() % 60000);
    pair_often();
}

/* The list as that node shows it has the part. */
static bool shows(unsigned n, const char *part)
{
    pair_use(n);
    CHECK_INT(turned_reply(turned_ask("GET", "/_sw/schedules", ""), text), 200);
    return strstr(text, part) != NULL;
}

static void test_once(void)
{
    char body[2][TURNED_TEXT];
    open_nodes();
    for (int i = 0; i < POINTS; i++) to_next_point();
    for (int i = 0; i < SCHEDULES; i++) {
        unsigned owner = owner_of(names[i]);
        CHECK_INT(runs[i][owner], POINTS);
        CHECK_INT(runs[i][1 - owner], 0);
    }
    (void)name_of(0);
    (void)name_of(1);
    for (unsigned n = 0; n < PAIR_NODES; n++) {
        CHECK(shows(n, "\"lastRun\""));
        snprintf(body[n], sizeof body[n], "%s", strstr(text, "{\"schedules\""));
    }
    CHECK_STR(body[0], body[1]);
    pair_close();
}

static int change(unsigned at, const char *method, const char *name, const char *body)
{
    char target[64];
    snprintf(target, sizeof target, "/_sw/schedules/%s", name);
    pair_use(at);
    return turned_ask(method, target, body);
}

static void test_changes(void)
{
    open_nodes();
    const char *name = name_of(1);
    turned_check(change(0, "PUT", name, "{\"paused\":true}"), 503,
                 "the schedule belongs to node 1 of the cluster, and this is node 0: ask that one");
    turned_check(change(0, "DELETE", name, ""), 503, "belongs to node 1");
    turned_check(change(0, "PUT", "none", "{\"paused\":true}"), owner_of("none") == 0 ? 404 : 503, "");
    turned_check(change(1, "PUT", name, "{\"paused\":true}"), 200, "\"paused\":true");
    pair_often();
    CHECK(shows(0, "\"paused\":true"));
    to_next_point();
    CHECK_INT(runs[name[0] - 'a'][1], 0);
    turned_check(change(1, "PUT", name, "{\"paused\":false}"), 200, "\"paused\":false");
    to_next_point();
    CHECK_INT(runs[name[0] - 'a'][1], 1);
    CHECK(!shows(0, "\"paused\":true"));
    pair_close();
}

/* Nobody takes its place; when it is back it catches up. */
static void test_owner_killed(void)
{
    open_nodes();
    const char *name = name_of(1);
    const int i = name[0] - 'a';
    to_next_point();
    CHECK_INT(runs[i][1], 1);
    pair_kill(1);
    to_next_point();
    to_next_point();
    CHECK(runs[i][0] == 0 && runs[i][1] == 1);
    pair_open_node(1, routes, NULL);
    PAIR_UNTIL(runs[i][1] == 2);
    pair_often();
    CHECK(runs[i][0] == 0 && runs[i][1] == 2); /* the newest point that was missed */
    pair_close();
}

/* One that no program has any more vanishes everywhere. */
static void test_forgotten(void)
{
    open_nodes();
    for (unsigned n = 0; n < PAIR_NODES; n++) {
        pair_end_node(n);
        pair_open_node(n, other_routes, NULL);
    }
    const char *name = name_of(1);
    char part[32];
    snprintf(part, sizeof part, "\"name\":\"%s\"", name);
    for (unsigned n = 0; n < PAIR_NODES; n++) CHECK(shows(n, part) && strstr(text, "\"missing\":true"));
    turned_check(change(1, "DELETE", name, ""), 204, "");
    pair_often();
    for (unsigned n = 0; n < PAIR_NODES; n++) CHECK(!shows(n, part));
    pair_close();
}

static const check_case cases[] = {
    {"each point has one run, at its schedule's owner, and both show it", test_once},
    {"the owner alone changes a schedule, and both show that", test_changes},
    {"nothing fires while the owner is gone", test_owner_killed},
    {"a schedule that is forgotten vanishes everywhere", test_forgotten},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
