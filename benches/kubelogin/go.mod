module countersign.test/kubelogin

go 1.26.2

require github.com/int128/kubelogin v1.36.2
