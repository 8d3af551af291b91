/* What FastCGI itself costs: libfcgi and the answer of the hello page. */
#include <fcgiapp.h>

int main(void) {
    FCGX_Request request;
    if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, 0) != 0) {
        return 1;
    }
    while (FCGX_Accept_r(&request) == 0) {
        FCGX_PutS("Status: 200 OK\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Length: 13\r\n"
                  "\r\n"
                  "Hello, world!",
                  request.out);
        FCGX_Finish_r(&request);
    }
    return 0;
}
