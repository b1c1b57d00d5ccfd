"""Service record sheets (服务记录单): what somebody served, on paper, and a public page that proves the paper."""
