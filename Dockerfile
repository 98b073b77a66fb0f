# The emulator with the rule engine: docker run -p 127.0.0.1:8799:8799 IMAGE
FROM python:3.13-slim
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY cf_llama cf_llama
COPY langchain_cf_llama langchain_cf_llama
COPY llama_index_cf_llama llama_index_cf_llama
COPY cf_llama_emulator cf_llama_emulator
RUN pip install --no-cache-dir --constraint constraints.txt '.[cli]' && useradd --create-home emulator
USER emulator
WORKDIR /home/emulator
EXPOSE 8799
HEALTHCHECK --interval=5s CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8799), 2).close()"]
# Inside, every address has to be listened on; who may ask is decided by the host name, and by what you publish.
ENTRYPOINT ["cf-llama", "serve", "--engine", "rule", "--host", "0.0.0.0", "--allow-host", "localhost"]
