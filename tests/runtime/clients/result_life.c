/* A run's URL and its Idempotency-Key live as long as its result. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

static void on_kept(sw_ctx *c) { sw_reply_text(c, 200, "kept"); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("life");
    sw_endpoint(app, "POST /kept", on_kept, &(sw_endpoint_options){.retain_ms = 60000});
    sw_endpoint(app, "POST /short", on_kept, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char text[4096];
static answer a;

static void begin(const char *path, const char *key, char output[1024])
{
    char key_line[64];
    snprintf(key_line, sizeof key_line, "Idempotency-Key: %s", key);
    const char *const headers[] = {"Prefer: respond-async", key_line, NULL};
    call("POST", server_url(path), headers, "", 0, &a);
    CHECK(a.status == 202 || a.status == 200);
    snprintf(output, 1024, "%s", answer_header(&a, "Location", text, sizeof text));
}

static void test_life(void)
{
    char data[128], kept[1024], again[1024], gone[1024];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data, "--dev", "--retain", "1s", NULL};
    served_start(&server, flags);
    begin("/kept", "one", kept);
    begin("/short", "two", gone);
    call(NULL, kept, NULL, NULL, 0, &a);
    CHECK_STR(a.body, "kept");
    do { /* until --retain is over, as the run shows that has no longer one of its own */
        usleep(200000);
        call(NULL, gone, NULL, NULL, 0, &a);
    } while (a.status == 200);
    CHECK_INT(a.status, 404);
    sleep(2); /* tokens count in seconds */
    call(NULL, kept, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "kept");
    begin("/kept", "one", again);
    CHECK_STR(answer_header(&a, "Idempotency-Replayed", text, sizeof text), "true");
    if (*again) {
        call(NULL, again, NULL, NULL, 0, &a);
        CHECK_STR(a.body, "kept");
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"URL and key live as long as the result", test_life}};

SERVED_MAIN(serve, NULL, cases)
