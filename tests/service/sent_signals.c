/* Runs of several loops send each other signals, and ask people, while the program is killed again and again: nothing
 * is lost, nothing comes twice, each sender's signals come in their order, and the first answer is the only one. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { TAKERS = 5, SENDERS = 4, EACH = 12, KILLS = 6, ASKED = 12 };

/* ---- The program ---- */

static sw_value take(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

/* Answers with what has come, in its order: sender * 1000 + number. */
static void on_gather(sw_ctx *c)
{
    sw_value all = sw_array(c, 0), one = sw_nil();
    for (int i = 0; i < SENDERS * EACH; i++) {
        if (!sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &one)) sw_fail_fatal(c, "no wait here has a timeout");
        sw_push(c, &all, i % 5 ? one : sw_step(c, "take", take, one));
    }
    sw_reply_json(c, 200, all);
}

/* Sends to all of them in turn. */
static void on_send(sw_ctx *c)
{
    sw_value body = sw_body_json(c), to = sw_get(body, "to");
    int64_t sender = sw_as_int(sw_get(body, "sender"), 0);
    bool is_sent = true;
    for (int i = 0; i < EACH; i++) {
        for (size_t t = 0; t < sw_len(to); t++)
            is_sent = sw_send_signal(c, "tell", sw_cstr(c, sw_at(to, t)), "go", sw_int(sender * 1000 + i)) && is_sent;
        sw_step(c, "between", take, sw_int(i));
        sw_sleep(c, "nap", 5);
    }
    sw_reply_json(c, 200, sw_bool(is_sent));
}

/* Mails are files in the folder MAILS, named as the run that sends them. */
static sw_value mail(sw_ctx *c, sw_value url)
{
    char path[256], made[256];
    const char *text = sw_cstr(c, url);
    snprintf(made, sizeof made, "%s/made-%s", getenv("MAILS"), sw_run_id(c));
    snprintf(path, sizeof path, "%s/%s", getenv("MAILS"), sw_run_id(c));
    FILE *f = fopen(made, "w");
    bool is_mailed = f && fputs(text, f) >= 0;
    if (f && (fclose(f) != 0 || rename(made, path) != 0)) is_mailed = false;
    if (!is_mailed) sw_fail_fatal(c, "the mail cannot be written");
    return sw_nil();
}

/* Mails the URL of its question. */
static void on_ask(sw_ctx *c)
{
    static const char *const choices[] = {"yes", "no", NULL};
    const char *url = sw_signal_url(c, "ask", "answer", &(sw_question){.text = "Well?", .choices = choices});
    sw_value v = sw_nil();
    sw_step(c, "mail", mail, sw_str(c, url));
    (void)sw_wait_for(c, "answer", &(sw_wait){.signal = "answer"}, &v);
    sw_reply_json(c, 200, v);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("sent_signals");
    sw_endpoint(app, "POST /gather", on_gather, NULL);
    sw_endpoint(app, "POST /send", on_send, NULL);
    sw_endpoint(app, "POST /ask", on_ask, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Asking ---- */

static char data[128];
static answer a;

static void start(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    CHECK(setenv("MAILS", root, 1) == 0);
    served_start(&server, (const char *const[]){"--data", data, "--loops", "3", "--dev", "--admin-on-public", NULL});
}

static void begin(const char *path, const char *body, char output[512])
{
    char location[2048];
    call_patiently("POST", server_url(path), (const char *const[]){"Prefer: respond-async", NULL}, body, &a);
    CHECK_INT(a.status, 202);
    const char *found = strstr(answer_header(&a, "Location", location, sizeof location), "/_sw/");
    CHECK(found && snprintf(output, 512, "%s", found) < 512);
}

static void read_id(const char *output, char id[27]) { CHECK(sscanf(output, "/_sw/runs/%26[0-9A-Z]/output", id) == 1); }

/* How many of this sender's come in order. */
static int in_order(const char *body, int sender)
{
    int next = 0;
    for (const char *at = body; *at; at++) {
        if (*at != '[' && *at != ',') continue;
        int n = atoi(at + 1);
        if (n / 1000 != sender) continue;
        if (n % 1000 != next) return -1;
        next++;
    }
    return next;
}

/* ---- Tests ---- */

static void test_sent(void)
{
    static char takers[TAKERS][512], senders[SENDERS][512];
    char body[512] = "{\"to\":[";
    start("sent");
    for (int i = 0; i < TAKERS; i++) {
        char id[27];
        begin("/gather", "", takers[i]);
        read_id(takers[i], id);
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s\"%s\"", i ? "," : "", id);
    }
    size_t len = strlen(body);
    for (int i = 0; i < SENDERS; i++) {
        snprintf(body + len, sizeof body - len, "],\"sender\":%d}", i + 1);
        begin("/send", body, senders[i]);
    }
    for (int k = 0; k < KILLS; k++) {
        usleep((useconds_t)(10000 + 13000 * k)); /* any moment will do */
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        start("sent");
    }
    for (int i = 0; i < SENDERS; i++) {
        call(NULL, server_url(senders[i]), NULL, NULL, 50, &a);
        CHECK_INT(a.status, 200);
        CHECK_STR(a.body, "true");
    }
    for (int i = 0; i < TAKERS; i++) {
        call(NULL, server_url(takers[i]), NULL, NULL, 50, &a);
        CHECK_INT(a.status, 200);
        for (int s = 0; s < SENDERS; s++) CHECK_INT(in_order(a.body, s + 1), EACH);
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Reads the URL that was mailed, which the page of the run does not show. */
static void read_url(const char *output, char url[512])
{
    char id[27], path[128];
    FILE *mail;
    read_id(output, id);
    snprintf(path, sizeof path, "%s/%s", root, id);
    while (!(mail = fopen(path, "r"))) usleep(2000);
    CHECK(fgets(url, 512, mail) && fclose(mail) == 0);
    const char *own = strstr(url, "/_sw/runs/");
    CHECK(own && strstr(own, "/signals/answer?token=s"));
    memmove(url, own, strlen(own) + 1);
    do {
        snprintf(path, sizeof path, "/_sw/runs/%s", id);
        call_patiently("GET", server_url(path), NULL, NULL, &a);
    } while (a.status != 200 || !strstr(a.body, "/signals/answer?token=[redacted]"));
    CHECK(!strstr(a.body, "\"url\"") && !strstr(a.body, strstr(url, "token=")));
}

static long answer_by(const char *url, const char *body)
{
    call_patiently("POST", server_url(url), (const char *const[]){"Content-Type: application/json", NULL}, body, &a);
    return a.status;
}

/* What the first who got an answer was told is what all are told, whichever process answers. */
static void test_asked(void)
{
    static char outputs[ASKED][512], urls[ASKED][512];
    start("asked");
    for (int i = 0; i < ASKED; i++) {
        begin("/ask", "", outputs[i]);
        read_url(outputs[i], urls[i]);
    }
    for (int i = 0; i < ASKED; i++) {
        const char *first = i % 2 ? "\"yes\"" : "\"no\"", *other = i % 2 ? "\"no\"" : "\"yes\"";
        char decision[32];
        snprintf(decision, sizeof decision, "\"decision\":%s}", first);
        CHECK_INT(answer_by(urls[i], first), 202);
        if (i % 4 == 0) {
            CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
            start("asked");
        }
        CHECK_INT(answer_by(urls[i], other), 200);
        CHECK(strstr(a.body, decision));
        call(NULL, server_url(outputs[i]), NULL, NULL, 50, &a);
        CHECK_STR(a.body, first);
        CHECK_INT(answer_by(urls[i], other), 200);
        CHECK(strstr(a.body, decision));
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"signals of runs to runs", test_sent}, {"questions", test_asked}};

SERVED_MAIN(serve, NULL, cases)
