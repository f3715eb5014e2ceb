/* signal_trip: how long a signal takes to the run that waits for it: from the moment before its request is sent until
 * the handler's next line. One run after the other, on one connection.   signal_trip URL/PATH RUNS REST_MS
 * Each run has REST_MS to leave memory. Prints "p50_us N p99_us N": of the trips; then "answer_p50_us N": until 202. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BODY_MAX = 4096, URL_MAX = 1024 };

typedef struct answer {
    char body[BODY_MAX];
    size_t len;
} answer;

static CURL *curl;

static void must(bool good, const char *what)
{
    if (good) return;
    fprintf(stderr, "signal_trip: %s\n", what);
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *to)
{
    answer *a = to;
    if (a->len + len >= sizeof a->body) return 0;
    memcpy(a->body + a->len, bytes, len);
    a->len += len;
    a->body[a->len] = '\0';
    return one * len;
}

/* posted: NULL: a GET. */
static void ask(const char *url, const char *posted, struct curl_slist *headers, long expected, answer *a)
{
    long status = 0;
    a->len = 0;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    if (posted) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, posted);
    must(curl_easy_perform(curl) == CURLE_OK, url);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    must(status == expected, a->body);
}

/* Copies the text of a member of a JSON object that has no escapes in it. */
static void member_of(const char *json, const char *name, char *to, size_t to_size)
{
    char begins[64];
    (void)snprintf(begins, sizeof begins, "\"%s\":\"", name);
    const char *from = strstr(json, begins);
    must(from != NULL, json);
    from += strlen(begins);
    size_t len = strcspn(from, "\"");
    must(len < to_size, name);
    memcpy(to, from, len);
    to[len] = '\0';
}

/* The address of the run's signal: that of its output, with another end of the path. */
static void signal_url(const char *output, char to[URL_MAX])
{
    const char *end = strstr(output, "/output");
    must(end != NULL, output);
    must(snprintf(to, URL_MAX, "%.*s/signals/go%s", (int)(end - output), output, end + strlen("/output")) < URL_MAX,
         output);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    must(argc == 4 && atoi(argv[2]) > 0, "usage: signal_trip URL/PATH RUNS REST_MS");
    size_t count = strtoul(argv[2], NULL, 10);
    useconds_t rest_us = (useconds_t)atoi(argv[3]) * 1000;
    struct curl_slist *at_once = curl_slist_append(NULL, "Prefer: respond-async");
    struct curl_slist *json = curl_slist_append(NULL, "Content-Type: application/json");
    int64_t *trips = calloc(count, sizeof *trips), *answers = calloc(count, sizeof *answers);
    static answer a;
    must(trips && answers && at_once && json && (curl = curl_easy_init()), "out of memory");
    for (size_t i = 0; i < count; i++) {
        char output[URL_MAX], url[URL_MAX];
        ask(argv[1], NULL, at_once, 202, &a);
        member_of(a.body, "outputUrl", output, sizeof output);
        signal_url(output, url);
        (void)usleep(rest_us);
        int64_t sent_us = now_us();
        ask(url, "{\"yes\":true}", json, 202, &a);
        answers[i] = now_us() - sent_us;
        ask(output, NULL, NULL, 200, &a);
        const char *at = strstr(a.body, "\"at_us\":");
        must(at != NULL, a.body);
        trips[i] = atoll(at + strlen("\"at_us\":")) - sent_us;
    }
    qsort(trips, count, sizeof *trips, by_size);
    qsort(answers, count, sizeof *answers, by_size);
    printf("p50_us %lld p99_us %lld answer_p50_us %lld\n", (long long)trips[count / 2],
           (long long)trips[count * 99 / 100], (long long)answers[count / 2]);
    return 0;
}
