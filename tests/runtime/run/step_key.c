/* sw_step_key is one key for each step of each run: at every attempt, and in the process that resumes it. */
#include "runtime/run/step_key.h"

#include <stdint.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { KEYS_MAX = 16 };

typedef struct notes {
    char keys[KEYS_MAX][STEP_KEY_TEXT + 1]; /* as each attempt saw it */
    int count;
    bool pass;
} notes;
static notes *seen;

static sw_value pay(sw_ctx *c, sw_value input)
{
    CHECK(seen->count < KEYS_MAX);
    CHECK_STR(sw_step_key(c), sw_step_key(c));
    strcpy(seen->keys[seen->count++], sw_step_key(c));
    if (sw_attempt(c) == 1) sw_fail_after(c, 1, "try again");
    while (sw_as_bool(input, false) && !__atomic_load_n(&seen->pass, __ATOMIC_ACQUIRE)) sw_sleep(c, "wait", 10);
    return sw_str(c, sw_step_key(c));
}

static void on_pay(sw_ctx *c)
{
    sw_value first = sw_step(c, "pay", pay, sw_bool(false));
    sw_value second = sw_step_with(c, "pay", pay, sw_bool(true), &(sw_step_options){.sync = true});
    sw_reply_json(c, 200, sw_array(c, 2, first, second));
}

static void on_outside(sw_ctx *c) { sw_reply_text(c, 200, "%s", sw_step_key(c)); }

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("step_key");
    sw_endpoint(app, "GET /pay", on_pay, NULL);
    sw_endpoint(app, "GET /outside", on_outside, NULL);
    sw_route(app, "GET /plain", on_outside);
    return sw_main(app, argc, argv);
}

/* Computed by another implementation (Python's hashlib). */
static void known_keys(void)
{
    run_id zero = {{0}}, counting, ones;
    char key[STEP_KEY_TEXT + 1];
    for (int i = 0; i < RUN_ID_BYTES; i++) counting.bytes[i] = (uint8_t)i;
    memset(ones.bytes, 0xff, RUN_ID_BYTES);
    step_key(&zero, 0, key);
    CHECK_STR(key, "KP88XKXPP9BDXY5MK9Y50KKCH2");
    step_key(&counting, 0xcbf29ce484222325, key);
    CHECK_STR(key, "Q350GJ4FRJCVY11169K5YREFW4");
    step_key(&ones, UINT64_MAX, key);
    CHECK_STR(key, "8JJZF28NE3JP67MCJ74531Q6CC");
}

static void one_key_for_each_step(void)
{
    served s;
    answer a;
    char folder[64], url[128], output[512];
    make_folder(folder);
    const char *const flags[] = {"--data", folder, "--loops", "1", NULL};
    const char *const ahead[] = {"Prefer: respond-async", NULL};
    served_start(&s, flags);
    snprintf(url, sizeof url, "%s/pay", s.address);
    call(NULL, url, ahead, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    char *path = strstr(answer_header(&a, "Location", output, sizeof output), "/_sw/");
    CHECK(path != NULL);
    /* The second step has begun, so that the first one's result is on disk. */
    while (__atomic_load_n(&seen->count, __ATOMIC_ACQUIRE) < 4) usleep(1000);
    CHECK_INT(served_stop(&s, SIGKILL), -SIGKILL);

    __atomic_store_n(&seen->pass, true, __ATOMIC_RELEASE);
    served_start(&s, flags);
    char again[700], expected[80];
    snprintf(again, sizeof again, "%s%s", s.address, path);
    call(NULL, again, NULL, NULL, 20, &a);
    CHECK_INT(a.status, 200);
    snprintf(expected, sizeof expected, "[\"%s\",\"%s\"]", seen->keys[0], seen->keys[2]);
    CHECK_STR(a.body, expected);
    CHECK(strcmp(seen->keys[0], seen->keys[2]) != 0);
    CHECK_STR(seen->keys[0], seen->keys[1]); /* two attempts before the kill */
    for (int i = 3; i < seen->count; i++) CHECK_STR(seen->keys[i], seen->keys[2]);
    CHECK(seen->count > 4);

    int before = seen->count;
    snprintf(url, sizeof url, "%s/pay", s.address);
    call(NULL, url, NULL, NULL, 20, &a);
    CHECK_INT(a.status, 200);
    CHECK(strcmp(seen->keys[before], seen->keys[0]) != 0); /* another run */
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    remove_tree(folder);
}

static void outside_a_step_it_fails_the_run(void)
{
    static const char *const paths[] = {"outside", "plain"};
    served s;
    answer a;
    char folder[64], url[128];
    make_folder(folder);
    const char *const flags[] = {"--data", folder, "--loops", "1", NULL};
    served_start(&s, flags);
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof url, "%s/%s", s.address, paths[i]);
        call(NULL, url, NULL, NULL, 0, &a);
        CHECK_INT(a.status, 500);
        CHECK(strstr(a.body, "sw_step_key outside a step") != NULL);
    }
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    remove_tree(folder);
}

static const check_case cases[] = {{"known keys", known_keys},
                                   {"one key for each step of each run", one_key_for_each_step},
                                   {"outside a step it fails the run", outside_a_step_it_fails_the_run}};

SERVED_MAIN_NOTES(serve, seen, cases)
