# Ruby's open-uri, which has no POST. Its calls are lines of standard input (calls.py).
require "open-uri"

settings = ARGV[0] == "longer" ? { read_timeout: nil } : {}

$stdout.sync = true
$stdin.each_line do |line|
  _method, url, kind = line.split
  headers = kind == "stream" ? { "Accept" => "text/event-stream" } : {}
  words = begin
    response = begin
      URI.open(url, headers.merge(settings))
    rescue OpenURI::HTTPError => e
      raise if e.io.status[0].to_i < 400
      e.io
    end
    [response.status[0], response.meta["content-type"], response.meta["x-answer"], [response.read].pack("m0"),
      response.base_uri]
  rescue StandardError => e
    ["error", "#{e.class}: #{e.message}"]
  end
  puts words.map { |word| word.to_s.gsub(/\s+/, " ") }.join("\t")
end
