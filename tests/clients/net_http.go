// Go's net/http. Its calls are lines of standard input (calls.py).
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func call(client *http.Client, method, url, kind string) (string, error) {
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader(`{"n": 1}`)
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		return "", err
	}
	if method == "POST" {
		request.Header.Set("Content-Type", "application/json")
	}
	if kind == "stream" {
		request.Header.Set("Accept", "text/event-stream")
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d\t%s\t%s\t%s\t%s", response.StatusCode,
		response.Header.Get("Content-Type"), response.Header.Get("X-Answer"),
		base64.StdEncoding.EncodeToString(text), response.Request.URL), err
}

func main() {
	client := http.DefaultClient
	if os.Args[1] == "longer" {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		line, err := call(client, words[0], words[1], words[2])
		if err != nil {
			line = "error\t" + strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Println(line)
	}
}
