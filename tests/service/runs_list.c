/* The list of runs: a line each, whatever state the run is in and however long its journal. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { STEPS = 40, RESULT = 5000 };

static sw_value much(sw_ctx *c, sw_value input)
{
    (void)input;
    char *text = sw_alloc(c, RESULT + 1);
    memset(text, 'x', RESULT);
    return sw_str(c, text);
}

/* Each step is a segment of its own, so that the journal has a middle. */
static void fill(sw_ctx *c)
{
    for (int i = 0; i < STEPS; i++) (void)sw_step_with(c, "much", much, sw_nil(), &(sw_step_options){.sync = true});
}

static sw_value wait_for_ever(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "for ever", 86400000);
    return input;
}

static sw_value refuse(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_fail_fatal(c, "nobody knows why");
}

static void on_short(sw_ctx *c)
{
    (void)sw_step(c, "much", much, sw_nil());
    sw_reply_text(c, 200, "short");
}

static void on_long(sw_ctx *c)
{
    fill(c);
    sw_reply_text(c, 200, "long");
}

static void on_held(sw_ctx *c)
{
    fill(c);
    (void)sw_step(c, "hold", wait_for_ever, sw_nil());
}

static void on_nap(sw_ctx *c)
{
    fill(c);
    sw_sleep(c, "nap", 86400000);
}

static void on_failing(sw_ctx *c)
{
    fill(c);
    (void)sw_step(c, "refuse", refuse, sw_nil());
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("lists");
    sw_endpoint(app, "GET /short", on_short, NULL);
    sw_endpoint(app, "GET /long", on_long, NULL);
    sw_endpoint(app, "GET /held", on_held, NULL);
    sw_endpoint(app, "GET /nap", on_nap, NULL);
    sw_endpoint(app, "GET /failing", on_failing, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static answer a;

static void begin(const char *path, char id[64])
{
    call(NULL, server_url(path), (const char *const[]){"Prefer: respond-async", NULL}, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    answer_header(&a, "X-Run-Id", id, 64);
}

static const char *line_of(const char *id)
{
    static char line[4096];
    call(NULL, server_url("/_sw/runs"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK(strncmp(a.body, "{\"runs\":[{\"runId\":\"", 19) == 0);
    const char *at = strstr(a.body, id);
    CHECK(at);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

enum { PAGE_BYTES = 1 << 20 };
static char page_text[PAGE_BYTES]; /* a run's page has its results twice: by steps, and by entries */
static size_t page_len;

static size_t page_take(char *data, size_t size, size_t n, void *arg)
{
    (void)arg;
    CHECK(page_len + size * n < PAGE_BYTES);
    memcpy(page_text + page_len, data, size * n);
    page_len += size * n;
    page_text[page_len] = 0;
    return size * n;
}

static void read_page(const char *path)
{
    CURL *h = curl_easy_init();
    long status = 0;
    page_len = 0;
    CHECK(h);
    curl_easy_setopt(h, CURLOPT_URL, server_url(path));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, page_take);
    CHECK(curl_easy_perform(h) == CURLE_OK);
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    CHECK_INT(status, 200);
    curl_easy_cleanup(h);
}

/* Waits for the state, then looks at the line and at the page. */
static void check_run_of(const char *path, const char *state, const char *in_line, const char *in_page)
{
    char id[64], page[96], says[128], endpoint[96];
    begin(path, id);
    snprintf(says, sizeof says, "\"state\":\"%s\",\"endpoint\":\"GET %s\",\"target\":\"%s\"", state, path, path);
    while (!strstr(line_of(id), says) || !strstr(line_of(id), in_line)) usleep(2000);
    CHECK(!strstr(line_of(id), "entries\":"));
    CHECK(!strstr(line_of(id), "stepsDone") == !strstr(in_line, "stepsDone"));
    snprintf(page, sizeof page, "/_sw/runs/%s", id);
    snprintf(endpoint, sizeof endpoint, "\"endpoint\":\"GET %s\"", path);
    read_page(page);
    CHECK(strstr(page_text, endpoint) && strstr(page_text, in_page));
    CHECK(strstr(page_text, "\"entries\":[{\"kind\":\"started\""));
}

static void test_states(void)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data, "--dev", "--loops", "2", "--park-after", "0", NULL};
    served_start(&server, flags);
    for (int again = 0; again < 2; again++) {
        check_run_of("/short", "succeeded", "\"entryCount\":4,\"stepsDone\":1,", "\"stepsDone\":1,");
        check_run_of("/long", "succeeded", "\"entryCount\":43", "\"entryCount\":43,\"stepsDone\":40,");
        check_run_of("/held", "running", "\"entryCount\":41", "\"stepsDone\":40,");
        check_run_of("/nap", "sleeping", "\"entryCount\":42", "\"stepsDone\":40,");
        check_run_of("/failing", "failed", "\"error\":\"nobody knows why\",\"entryCount\":44", "\"failedAttempts\":1");
        if (again) break;
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        served_start(&server, flags);
    }
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

static const check_case cases[] = {{"each run has a line that says its state", test_states}};

SERVED_MAIN(serve, NULL, cases)
