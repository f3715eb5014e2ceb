/* Settings when the disk or another operator is in the way: nothing is obeyed that is not on disk, and what is on disk
 * the next process obeys; rows that are none. */
#include "runtime/run/settings.h"
#include "tests/harness/turned.h"

static char text[TURNED_TEXT];

static void on_work(sw_ctx *c) { sw_reply_text(c, 200, "worked"); }

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /work", on_work, NULL);
    sw_route(app, "POST /plain", on_work);
}

/* `name`: empty, or a slash and the setting's name, percent-encoded. */
static int send_to(const char *method, const char *name, const char *body)
{
    char target[128];
    (void)snprintf(target, sizeof target, "/_sw/settings%s", name);
    return turned_ask(method, target, body);
}

static int send_setting(const char *method, const char *body)
{
    return send_to(method, "/endpoint:POST%20%2Fwork", body);
}

static int stop_it(void) { return send_setting("PUT", "{\"value\":{\"stopped\":true}}"); }

static int work(void) { return turned_reply(turned_send("POST", "/work", ""), text); }

/* The write is refused, lost, or only seems to have failed. */
static void test_disk(void)
{
    turned_open(routes, NULL);
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    turned_check(stop_it(), 503, "Retry-After: 5");
    CHECK(!app_endpoint(turned_app, "POST /work", 10)->stopped_s);
    TURN_UNTIL(gate_writable(turned_home()));
    CHECK_INT(work(), 200);
    memory_fail(turned_disk, MEMORY_APPEARS, 0, false);
    turned_check(stop_it(), 200, "\"stopped\":true");
    CHECK_INT(work(), 503);
    turned_end();
    turned_open(routes, NULL);
    CHECK_INT(work(), 503);
    turned_check(send_setting("DELETE", ""), 204, "");
    CHECK_INT(work(), 200);
    turned_end();
    turned_open(routes, NULL);
    CHECK_INT(work(), 200);
    turned_close();
}

/* While the journal takes no writes nothing begins. */
static void test_outage(void)
{
    turned_open(routes, NULL);
    memory_fail(turned_disk, MEMORY_LOSES, 0, true);
    int fd = turned_send("POST", "/work", "");
    TURN_UNTIL(!gate_writable(turned_home()));
    turned_check(stop_it(), 503, "the journal cannot be written: nothing was set");
    close(fd);
    CHECK(!app_endpoint(turned_app, "POST /work", 10)->stopped_s);
    turned_close();
}

static void test_two_at_once(void)
{
    turned_open(routes, NULL);
    turned_writes = false;
    int first = stop_it();
    TURN_UNTIL(turned_home()->outbox.in_flight > 0);
    int second = send_setting("PUT", "{\"value\":{\"stopped\":false}}");
    text[0] = 0;
    while (turned_read(second, text)) CHECK(turned_turn());
    close(second);
    CHECK(strstr(text, " 503 ") && strstr(text, "another setting is being written") && strstr(text, "Retry-After: 1"));
    CHECK(!app_endpoint(turned_app, "POST /work", 10)->stopped_s); /* the first is not on disk either */
    turned_writes = true;
    turned_check(first, 200, "\"stopped\":true");
    turned_check(send_setting("PUT", "{\"value\":{\"stopped\":false}}"), 200, "\"stopped\":false");
    CHECK_INT(work(), 200);
    turned_close();
}

/* Whoever asked has gone: it is set all the same. */
static void test_gone(void)
{
    turned_open(routes, NULL);
    turned_writes = false;
    int fd = stop_it();
    TURN_UNTIL(turned_home()->outbox.in_flight > 0);
    close(fd);
    turned_often();
    turned_writes = true;
    TURN_UNTIL(turned_home()->outbox.in_flight == 0);
    CHECK_INT(work(), 503);
    turned_close();
}

/* The table cannot be read at first: nobody knows what is stopped, so nothing new begins, and nothing can be set. Then
 * it can: all are obeyed, and can be changed. */
static void test_unread(void)
{
    turned_open(routes, NULL);
    turned_check(stop_it(), 200, "");
    turned_end();
    memory_fail_reads(turned_disk, true);
    turned_open(routes, NULL);
    CHECK_INT(work(), 503);
    CHECK(strstr(text, settings_unknown) && strstr(text, "Retry-After: 5"));
    CHECK_INT(turned_reply(turned_send("POST", "/plain", ""), text), 503);
    CHECK(strstr(text, settings_unknown));
    turned_check(stop_it(), 503, settings_unknown);
    turned_check(send_setting("DELETE", ""), 503, "Retry-After: 5");
    turned_check(send_to("GET", "", ""), 503, settings_unknown);
    CHECK_INT(turned_reply(turned_send("GET", "/_sw/readyz", ""), text), 503);
    CHECK(strstr(text, "recovering"));
    memory_fail_reads(turned_disk, false);
    TURN_UNTIL(settings_are_known(turned_app->settings));
    CHECK_INT(work(), 503);
    CHECK(strstr(text, "an operator has stopped this endpoint") && strstr(text, "Retry-After: 60"));
    CHECK_INT(turned_reply(turned_send("POST", "/plain", ""), text), 200);
    turned_check(send_to("GET", "", ""), 200, "\"stopped\":true");
    turned_check(send_setting("DELETE", ""), 204, "");
    CHECK_INT(work(), 200);
    TURN_UNTIL(turned_home()->slots.recovered);
    CHECK_INT(turned_reply(turned_send("GET", "/_sw/readyz", ""), text), 200);
    turned_close();
}

enum { MANY = 600 };

static void routes_many(sw_app *app)
{
    static char route[MANY][32];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(route[i], sizeof route[i], "POST /of/%d", i);
        sw_endpoint(app, route[i], on_work, NULL);
    }
}

static void check_known(void *arg, const setting *one, bool is_of_nothing)
{
    const char *route = one->name + strlen("endpoint:");
    CHECK(!is_of_nothing);
    CHECK_INT(app_endpoint(turned_app, route, strlen(route))->stopped_s, 60);
    ++*(int *)arg;
}

/* More of them than one scan reads; every third read fails. Before that a process drains while it waits for its next
 * try. */
static void test_unread_many(void)
{
    int reads = 0, count = 0;
    turned_open(routes_many, NULL);
    for (int i = 0; i < MANY; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "/endpoint:POST%%20%%2Fof%%2F%d", i);
        turned_check(send_to("PUT", name, "{\"value\":{\"stopped\":true}}"), 200, "");
    }
    turned_end();
    memory_fail_reads(turned_disk, true);
    turned_open(routes_many, NULL);
    turned_often();
    turned_end();
    turned_open(routes_many, NULL);
    while (!settings_are_known(turned_app->settings)) {
        for (; store_hand_reads(turned_app->store) > 0; reads++) {
            memory_fail_reads(turned_disk, reads % 3 == 0);
            store_hand_read(turned_app->store, 0);
        }
        CHECK(turned_turn_unread());
    }
    memory_fail_reads(turned_disk, false);
    settings_each(turned_app->settings, check_known, &count);
    CHECK_INT(count, MANY);
    turned_close();
}

static void count_setting(void *arg, const setting *one, bool is_of_nothing)
{
    CHECK(is_of_nothing == (strcmp(one->name, "endpoint:POST /work") != 0));
    ++*(int *)arg;
}

/* What a damaged, or a newer, program may have left. */
static void test_rows(void)
{
    static const char name[] = "endpoint:POST /work";
    static const char *const wrong[] = {"",
                                        "\xc1",
                                        "\x90",
                                        "\x93\xc0\xc0\xc0",
                                        "\x93\xc4\x01\xc3\xa1x",
                                        "\xa1x",
                                        "\x93\xa1x\xa1x\x01",
                                        "\x92\xc4\x01\xc3\xa1x"};
    /* [bin: true, "ann", 5, 6]: no object, and one field more. */
    static const char no_map[] = "\x94\xc4\x01\xc3\xa3"
                                 "ann\x05\x06";
    /* [bin: {"stopped": true}, "a name of more than thirty-two bytes, ...", 5] */
    static const char good[] = "\x93\xc4\x0a\x81\xa7stopped\xc3\xd9\x28"
                               "0123456789012345678901234567890123456789\x05";
    int count = 0;
    turned_open(routes, NULL);
    settings *s = turned_app->settings;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(settings_take_row(s, &(store_table_row){{name, sizeof name - 1}, {wrong[i], strlen(wrong[i])}}));
    CHECK(settings_take_row(s, &(store_table_row){{"", 0}, {good, sizeof good - 1}}));
    CHECK(settings_take_row(s, &(store_table_row){{"a\0b", 3}, {good, sizeof good - 1}}));
    settings_each(s, count_setting, &count);
    CHECK_INT(count, 0);
    CHECK(settings_take_row(s, &(store_table_row){{"endpoint:POST /no", 17}, {no_map, sizeof no_map - 1}}));
    CHECK(settings_take_row(s, &(store_table_row){{name, sizeof name - 1}, {good, sizeof good - 1}}));
    CHECK(settings_take_row(s, &(store_table_row){{"limit:x", 7}, {no_map, sizeof no_map - 1}}));
    settings_each(s, count_setting, &count);
    CHECK_INT(count, 3);
    CHECK_INT(work(), 503);
    CHECK(strstr(text, "Retry-After: 60"));
    turned_close();
}

static const check_case cases[] = {{"a write that fails", test_disk},
                                   {"a journal that takes no writes", test_outage},
                                   {"two settings at once", test_two_at_once},
                                   {"the operator has gone", test_gone},
                                   {"the table cannot be read at first", test_unread},
                                   {"many settings, of which reads fail", test_unread_many},
                                   {"rows that are none", test_rows}};
CHECK_MAIN(cases)
