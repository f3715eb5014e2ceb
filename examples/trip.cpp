/* C++: steps are lambdas, what fails throws, and destructors run even when a run parks, is cancelled or drained. A trip
 * is a flight and a hotel; without a hotel the flight is given back. */
#include <stepwell.hpp>

static stepwell::app app("trip");

static sw_value post(stepwell::context c, const std::string &path, sw_value body)
{
    std::string url = sw_flag_value(app.raw(), "service") + path;
    std::string key = std::string("Idempotency-Key: ") + c.step_key();
    const char *const headers[] = {"Content-Type: application/json", key.c_str(), nullptr};
    std::string_view json = c.json(body);
    sw_request q{};
    q.url = url.c_str();
    q.headers = headers;
    q.body = {json.data(), json.size()};
    return c.fetch_json(q);
}

static void on_trip(stepwell::context c)
{
    sw_value trip = c.body_json();
    sw_value flight = c.step("flight", [&](stepwell::context s) { return post(s, "/flights", trip); });
    try {
        sw_value hotel = c.step("hotel", [&](stepwell::context s) { return post(s, "/hotels", trip); });
        c.reply_json(201, c.map("flight", flight, "hotel", hotel));
    } catch (const stepwell::failure &why) {
        c.step("give-back", [&](stepwell::context s) { return post(s, "/returns", flight); });
        c.reply_json(409, c.map("error", why.what()));
    }
}

int main(int argc, char **argv)
{
    sw_flag(app.raw(), "service", "URL", "http://127.0.0.1:9000", "books flights and hotels");
    app.endpoint("POST /trips", on_trip);
    return app.run(argc, argv);
}
